"""`accepted serve --tls-cert --tls-key`: TLS 1.2 or newer, from the first byte."""

from __future__ import annotations

import socket
import ssl
import warnings
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.processes.deadline import until
from tests.processes.serving import ACCEPTED, MENU, Program, run
from tests.webhooks.authority import Authority


class Secure(Program):
    """A server with a certificate for localhost."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.authority.server("localhost")
        tls = ["--tls-cert", str(folder / "server.pem"), "--tls-key", str(folder / "server.key")]
        settings = {"ACCEPTED_DATABASE_URL": f"sqlite:///{folder}/accepted.db", "TEST_FOLDER": str(folder)}
        command = [*ACCEPTED, "serve", MENU, "--port", "0", "--workers", "0", *tls]
        super().__init__(command, folder, name="serve", settings=settings)
        try:
            url = until("it says where it is", lambda: [w for w in self.output.read_text().split() if "://127" in w])[0]
        except AssertionError:
            self.close()
            raise
        assert url.startswith("https://")
        self.port = urlsplit(url).port

    def said(self, context: ssl.SSLContext) -> tuple[str | None, bytes]:
        """The version that was agreed upon, and the first line of an answer."""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            secure.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return secure.version(), secure.recv(1000).partition(b"\r\n")[0]


def test_it_speaks_tls_and_nothing_old(tmp_path: Path) -> None:
    with Secure(tmp_path) as server:
        assert server.said(server.authority.trusted()) == ("TLSv1.3", b"HTTP/1.1 200 OK")
        older = server.authority.trusted()
        older.maximum_version = ssl.TLSVersion.TLSv1_2
        assert server.said(older)[0] == "TLSv1.2"
        old = server.authority.trusted()
        old.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            server.said(old)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain:
            plain.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert not plain.recv(1000).startswith(b"HTTP/1.1 200")


def test_half_of_it_is_refused(tmp_path: Path) -> None:
    found = run("serve", MENU, "--tls-cert", str(tmp_path / "server.pem"))
    assert (found.returncode, "one needs the other" in found.stderr) == (2, True), found.stderr


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    tls = ("--tls-cert", str(tmp_path / "a.pem"), "--tls-key", str(tmp_path / "b.pem"))
    found = run("serve", MENU, *tls, settings={"TEST_FOLDER": str(tmp_path)})
    assert (found.returncode, "a.pem" in found.stderr) == (2, True), found.stderr
