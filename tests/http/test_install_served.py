"""Installed and really served: the example for FastAPI, and how a server ends while somebody waits."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENCE = 10.0  # seconds; a server that waits for its long poll would take thirty

Serve = Callable[..., "Server"]


class Server:
    """uvicorn in a process of its own, on a port that it has found itself."""

    def __init__(self, target: str, folder: Path, *, modules: Path, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "uvicorn", "--app-dir", str(modules), "--port", "0", target]
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self.client = httpx2.Client(base_url=self._address(), timeout=PATIENCE, trust_env=False)

    def _address(self) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                return found[0]
        raise AssertionError("the server has not started")

    def end(self, number: signal.Signals) -> int:
        """The exit code after this signal."""
        self.process.send_signal(number)
        self.process.communicate(timeout=PATIENCE)
        return self.process.returncode


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    servers: list[Server] = []

    def start(target: str, modules: Path, **environment: str) -> Server:
        servers.append(Server(target, tmp_path, modules=modules, environment=environment))
        return servers[-1]

    yield start
    for server in servers:
        server.client.close()
        server.process.kill()
        server.process.communicate()


def test_the_example_for_fastapi(serve: Serve) -> None:
    client = serve("fastapi_app:app", EXAMPLES, ORDERS_KEY="open sesame").client
    assert client.post("/orders", json={}).status_code == 401
    assert client.post("/ops/exports", json={}).status_code == 401
    client.headers["X-Key"] = "open sesame"
    for item, quantity in (("tea", 3), ("tea", 1), ("cup", 2)):
        taken = client.post("/orders", json={"item": item, "quantity": quantity, "price": "4.20"})
        assert taken.status_code == 201
    refused = client.post("/ops/exports", json={"item": 7})
    assert refused.json()["errors"][0]["pointer"] == "/item"
    ended = client.post("/ops/exports", json={"item": "tea"}, headers={"Prefer": "wait=10"})
    assert ended.status_code == 303
    assert ended.json()["result"]["rows"] == 2
    file = client.get(ended.headers["location"])
    assert file.text == "item,quantity,total\r\ntea,3,12.60\r\ntea,1,4.20\r\n"
    assert file.headers["content-disposition"] == 'attachment; filename="orders.csv"'
    assert "/ops/exports" in client.get("/openapi.json").json()["paths"]


SLOW = """
import asyncio
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from accepted import Accepted


class Counted:
    '''Tells at /waiting how many have begun to wait.'''

    def __init__(self, app):
        self.app = app
        self.waiting = 0

    async def __call__(self, scope, receive, send):
        app = self.app
        if scope.get("path") == "/waiting":
            app = PlainTextResponse(str(self.waiting))
        self.waiting += any(name == b"prefer" for name, _ in scope.get("headers", ()))
        await app(scope, receive, send)


ops = Accepted(database="sqlite:///slow.db", drain_timeout=0.5)
parent = FastAPI()
ops.install(parent)
installed, alone = Counted(parent), Counted(ops)


@ops.operation("/slows")
async def slow() -> None:
    await asyncio.Event().wait()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("target", ["slow:installed", "slow:alone"])
def test_a_server_ends_while_somebody_waits(serve: Serve, tmp_path: Path, target: str, number: signal.Signals) -> None:
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    server = serve(target, tmp_path)
    url = server.client.post("/slows").headers["location"]
    while server.client.get(url).json()["status"] == "PENDING":
        pass
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(server.client.get, url, headers={"Prefer": "wait=30"})
        while server.client.get("/waiting").text != "1":
            pass
        server.end(number)
        assert waiting.result(PATIENCE).json()["status"] == "PROCESSING"
