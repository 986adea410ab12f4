"""The receivers in `examples/`: each gets a real delivery, over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import uvicorn
from werkzeug.serving import make_server

from accepted import Accepted

EXAMPLES = Path(__file__).parents[2] / "examples"
SECRET = "a secret of a client"
PATIENCE = 10.0


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # annotations are looked up there
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def flask(module: ModuleType) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, module.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(PATIENCE)
    server.server_close()


@contextlib.contextmanager
def fastapi(module: ModuleType) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(module.api, port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(PATIENCE)


@pytest.mark.parametrize(("name", "serving"), [("receiver_flask", flask), ("receiver_fastapi", fastapi)])
async def test_it_takes_what_is_signed_and_nothing_else(
    name: str, serving: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    module = example(name)
    settings: dict[str, Any] = {
        "webhook_allow_http": True,
        "webhook_allow_networks": "127.0.0.0/8",
        "public_url": "https://a.example",
    }
    app = Accepted(database=f"sqlite:///{tmp_path}/accepted.db", **settings)

    @app.operation("/noops")
    async def noop() -> None: ...

    with serving(module) as url:
        async with app:
            good = await app.submit("noop", webhook={"url": f"{url}/hooks", "secret": SECRET})
            bad = await app.submit("noop", webhook={"url": f"{url}/hooks", "secret": "of somebody else"})
            assert await tried(app, good.id) == 204
            assert await tried(app, bad.id) == 400
    assert list(module.seen.values()) == [f"{good.id} COMPLETED"]


async def tried(app: Accepted, id: str) -> int | None:
    """What the receiver answered at first."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for delivery in await app.service.deliveries(id, None):
                if delivery.tries:
                    return delivery.tries[0].status_code
            await asyncio.sleep(0.01)
