"""What stands in `deploy/`, read, and started as far as a machine without containers can: its nodes and its proxy as
processes on loopback, with its own commands and its own configuration.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.processes.api import Api, up
from tests.processes.deadline import until
from tests.processes.serving import ACCEPTED, MENU, ROOT, Program, run

DEPLOY = ROOT / "deploy"
APPS = ("accepted.demo:app", "reports:app")

Document = dict[str, Any]


def composed() -> Document:
    """The compose file."""
    found: Document = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


def resources() -> list[Document]:
    """Everything of the Kubernetes example."""
    files = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    return [document for file in files for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def configured() -> list[dict[str, str]]:
    """The settings of a web node in both examples, but for Kubernetes' secret ones."""
    (data,) = [resource["data"] for resource in resources() if resource["kind"] == "ConfigMap"]
    return [composed()["services"]["web-1"]["environment"], data]


def containers() -> Iterator[Document]:
    """The containers of all pods of it."""
    for resource in resources():
        if resource["kind"] in {"Job", "Deployment"}:
            yield from resource["spec"]["template"]["spec"]["containers"]


def commands() -> list[list[str]]:
    """All commands of ours that both examples start."""
    services = composed()["services"].values()
    return [s["command"] for s in services if "command" in s] + [c["args"] for c in containers()]


class Stack(NamedTuple):
    """The services of the compose file, running; `api` speaks to the proxy, with a key."""

    web: list[Program]
    workers: list[Program]
    url: str
    api: Api


@contextlib.contextmanager
def running(folder: Path, url: str) -> Iterator[Stack]:
    """All of it on a database that is there."""
    services = composed()["services"]
    with contextlib.ExitStack() as stack:

        def start(name: str) -> Program:
            command = [*ACCEPTED, *_here(services[name]["command"])]
            settings = services[name]["environment"] | {
                "ACCEPTED_DATABASE_URL": url,
                "ACCEPTED_TRUSTED_PROXIES": "127.0.0.1",
                "TEST_FOLDER": str(folder),
            }
            return stack.enter_context(Program(command, folder, name=name, settings=settings))

        web = {name: start(name) for name in services if name.startswith("web-")}
        workers = [start(name) for name in services if name.startswith("worker-")]
        addresses = {name: _address(program) for name, program in web.items()}
        command = _proxy(folder, addresses)
        proxy = stack.enter_context(Program(command, folder, name="proxy", settings={}))
        api = stack.enter_context(Api(where := f"http://127.0.0.1:{_port(folder)}"))
        until("the proxy lets us through", lambda: _through(proxy, where))
        made = run("keys", "create", "--owner", "acme", "--role", "admin", settings={"ACCEPTED_DATABASE_URL": url})
        api.headers["Authorization"] = f"Bearer {made.stdout.strip()}"
        until("workers", lambda: api.healthy()["checks"]["workers"].get("alive", 0) >= len(workers))
        yield Stack(list(web.values()), workers, where, api)


def _here(command: list[str]) -> list[str]:
    """The same command on this machine: loopback, any free port, and operations that tests can steer."""
    words = {"0.0.0.0": "127.0.0.1", "8000": "0", **dict.fromkeys(APPS, MENU)}
    return [words.get(word, word) for word in command]


def _address(program: Program) -> str:
    def said() -> str | None:
        assert program.process.poll() is None, program.logged()
        words = program.output.read_text().split()
        return next((word.removeprefix("http://") for word in words if word.startswith("http://")), None)

    return until("a web node says where it is", said)


def _proxy(folder: Path, addresses: Mapping[str, str]) -> list[str]:
    """The command of the proxy on our own addresses."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert nginx is not None, "nginx is missing: apt-get install nginx-light (make tools does so)"
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    for name, address in addresses.items():
        assert f"server {name}:8000;" in text
        text = text.replace(f"server {name}:8000;", f"server {address};")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace(" /run/", f" {folder}/")
    kept = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")  # where it may write, which is set when it is compiled
    text = text.replace("http {", "http {" + "".join(f"{name}_temp_path {folder}/{name};" for name in kept), 1)
    text = text.replace("/dev/stdout", str(folder / "access")).replace("/dev/stderr", str(folder / "error"))
    if os.geteuid() == 0:  # its workers would be nobody, who cannot get into this folder
        text = f"user root;\n{text}"
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    (folder / "port").write_text(str(port), encoding="ascii")
    return [nginx, "-e", str(folder / "error"), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]


def _port(folder: Path) -> int:
    return int((folder / "port").read_text(encoding="ascii"))


def _through(proxy: Program, url: str) -> bool:
    assert proxy.process.poll() is None, proxy.logged()
    return up(url)
