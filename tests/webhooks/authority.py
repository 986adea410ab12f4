"""A certificate authority for one test, made by the openssl command."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


class Authority:
    """Its own certificate, and those that it signs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._certificate, self._key = folder / "ca.pem", folder / "ca.key"
        _openssl(folder, *_NEW, "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority")

    def server(self, name: str) -> ssl.SSLContext:
        """What a server of this name presents."""
        (self._folder / "names").write_text(f"subjectAltName=DNS:{name}\n")
        _openssl(self._folder, *_NEW, "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={name}")
        signing = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
        _openssl(self._folder, *signing, "-out", "server.pem", "-days", "1", "-extfile", "names")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / "server.pem", self._folder / "server.key")
        return context

    def trusted(self) -> ssl.SSLContext:
        """What a client has that trusts it, and nobody else."""
        return ssl.create_default_context(cafile=str(self._certificate))


_NEW = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1")


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=30)
