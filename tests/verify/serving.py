"""Servers for the kit: the examples, on a port of their own, in the test's own loop; put into whatever breaks them."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
import uvicorn

from accepted.verify import Manifest, Report, load, verify
from accepted.verify.check import CHECKS
from accepted.verify.manifest import Feature, Tokens, Webhooks
from accepted.verify.run import chosen
from tests.house.tree import ROOT

EXAMPLES = ROOT / "examples" / "verify"
NUMBERS = itertools.count(1)
SETTINGS = {
    "ACCEPTED_SCAN_INTERVAL": "0.3s",
    "ACCEPTED_WEBHOOK_ALLOW_HTTP": "1",
    "ACCEPTED_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
    "ACCEPTED_WEBHOOK_TIMEOUT": "3s",
    "ACCEPTED_DRAIN_TIMEOUT": "0.2s",
}

NO_TOKENS = Tokens()

App = Callable[..., Any]


def example(name: str) -> ModuleType:
    """A fresh copy of an example, as its file makes it."""
    spec = importlib.util.spec_from_file_location(f"{name}_{next(NUMBERS)}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


def every_kind(monkeypatch: pytest.MonkeyPatch, database: str, *, walk: float = 1.5) -> Any:
    """Our own server with one operation of each kind, on this database."""
    for name, value in {**SETTINGS, "ACCEPTED_DATABASE_URL": database}.items():
        monkeypatch.setenv(name, value)
    module = example("every_kind")
    vars(module)["WALK"] = walk
    return module.app


def sqlite(folder: Path) -> str:
    """A database of the test's own."""
    return f"sqlite:///{folder}/accepted.db"


def manifest_of(name: str, *, patience: float = 30.0) -> Manifest:
    """An example's manifest, as patient as a test is."""
    read = load(EXAMPLES / f"{name}.toml")
    return msgspec.structs.replace(read, patience=patience, webhooks=Webhooks(timeout=5.0, retry_within=15.0))


@asynccontextmanager
async def served(app: App, *, lifespan: str = "on") -> AsyncIterator[str]:
    """uvicorn around it; gives its URL."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    config = uvicorn.Config(
        app,
        lifespan="on" if lifespan == "on" else "off",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        async with asyncio.timeout(20):
            while not server.started:
                assert not serving.done(), "uvicorn did not start"
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listening.close()


class _Server(uvicorn.Server):
    """One that leaves the test's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def judged(
    url: str, manifest: Manifest, *, leave: Callable[[str], bool] = lambda id: False, tokens: Tokens = NO_TOKENS
) -> Report:
    """The report of all checks but those to leave."""
    checks = [each for each in chosen() if not leave(each.id)]
    return await verify(manifest, url, checks, at_once=24, tokens=tokens)


def slow(id: str) -> bool:
    """Whether a check waits long: for the second try of a webhook, or for an expiry."""
    tries = {"webhook.retry", "webhook.backoff", "webhook.hang-up", "webhook.timeout"}
    return id in tries or Feature.EXPIRY in CHECKS[id].needs


def complaints(report: Report) -> str:
    """What failed, to be read by whoever sees a test fail."""
    return "\n\n".join(f"{each.check.id}: {each.complaint}\n{each.evidence[-3000:]}" for each in report.failed)
