"""The contract's client in these tests: plain HTTP, and the three steps that nearly every test takes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2

from accepted import Accepted

T = TypeVar("T")

PATIENCE = 10.0  # seconds; only a test that fails waits for so long
SUCCEEDED = {"COMPLETED", "COMPLETED_WITH_ERRORS"}
TERMINAL = SUCCEEDED | {"FAILED", "CANCELLED"}

Document = dict[str, Any]


def method_to_end(path: str, method: str) -> str:
    """The method with which a walk over all routes gets an answer that ends: this stream has no end."""
    return "HEAD" if path == "/statistics/stream" else method


class Api(httpx2.AsyncClient):
    """HTTP into one app, in process."""

    def __init__(self, app: Accepted, *, root_path: str = "") -> None:
        transport = httpx2.ASGITransport(app, root_path=root_path)
        super().__init__(transport=transport, base_url="http://testserver")
        self.app = app

    async def submit(self, path: str, body: Any = None, **headers: str) -> Document:
        """Accepted: the document of its 202. Underscores in names of headers stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.post(path, json=body, headers=named)
        assert answer.status_code == 202, answer.text
        return document(answer)

    async def status(self, id: str) -> Document:
        """What a poll says now, without following the redirect."""
        answer = await self.get(f"/operations/{id}", params={"redirect": "false"})
        if answer.status_code == 429:  # a loop of a test's polls faster than a client may; it waits as a client can
            query, long = {"redirect": "false"}, {"Prefer": "wait=1"}
            answer = await self.get(f"/operations/{id}", params=query, headers=long)
        assert answer.status_code == 200, answer.text
        return document(answer)

    async def ended(self, id: str) -> Document:
        """The terminal document, as soon as it is one."""
        async with asyncio.timeout(PATIENCE):
            while True:
                query = {"redirect": "false"}
                answer = await self.get(f"/operations/{id}", params=query, headers={"Prefer": "wait=10"})
                found = document(answer)
                if found["status"] in TERMINAL:
                    return found

    async def run(self, path: str, body: Any = None) -> Document:
        """Submit and wait: the terminal document."""
        return await self.ended((await self.submit(path, body))["operationId"])

    async def sweep(self) -> None:
        """Have done at once what the sweeper does every few seconds."""
        await self.app.node.sweeper.sweep()

    async def total(self) -> int:
        """How many operations there are."""
        return int((await self.get("/jobs")).json()["pagination"]["totalElements"])


def document(answer: httpx2.Response) -> Document:
    """The JSON object that was answered."""
    found = answer.json()
    assert isinstance(found, dict)
    return found


def problem(answer: httpx2.Response, status: int, slug: str) -> Document:
    """The problem that was answered; it has to be whole (contract, section 11)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = document(answer)
    assert found["type"] == f"/problems/{slug}"
    assert found["status"] == status
    assert found["instance"] == answer.request.url.raw_path.decode().partition("?")[0]
    assert found["title"]
    assert found["detail"]
    return found


async def eventually(look: Callable[[], Awaitable[T]], wanted: Callable[[T], object]) -> T:
    """What `look` finds once it is `wanted`; it is looked at again and again, for a while."""
    found = await look()
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not wanted(found):
        assert asyncio.get_running_loop().time() < deadline, f"it stayed {found}"
        await asyncio.sleep(0.01)
        found = await look()
    return found
