"""Nodes on one database, put together as the app does it, with functions that a test registers.

`Meddled` is a real store whose commits a test can watch, hold up and spoil: what a slow disk, a full one or a lost
connection does to a node.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, cast

from accepted.app import open_store
from accepted.contract.operation import Operation
from accepted.contract.transition import Key, Renew, Transition
from accepted.engine.execution import Lifespan
from accepted.engine.model import to_json
from accepted.engine.node import Node
from accepted.engine.registry import Registered, Registry
from accepted.handle import Handle
from accepted.service import Service
from accepted.settings import load
from accepted.store.clock import Clock
from accepted.store.protocol import Committed, Store
from tests.engine.gate import PATIENCE

OWNER = "somebody"

Meddle = Callable[[Sequence[Transition]], Awaitable[None]]
Function = Callable[..., Any]


class Meddled:
    """A store that notes the batches it is given; `before` is awaited with each, and may raise in its place."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.batches: list[list[Transition]] = []
        self.before: Meddle | None = None
        self._news = asyncio.Event()

    async def commit(self, batch: Sequence[Transition]) -> Committed:
        self.batches.append(list(batch))
        self._news.set()
        if self.before is not None:
            await self.before(batch)
        return await self._store.commit(batch)

    def all(self, kind: type[Transition]) -> list[Any]:
        """All transitions of one kind that came by."""
        return [transition for batch in self.batches for transition in batch if isinstance(transition, kind)]

    async def seen(self, kind: type[Transition], number: int) -> None:
        """Once at least `number` transitions of a kind have come by."""
        async with asyncio.timeout(PATIENCE):
            while len(self.all(kind)) < number:
                self._news.clear()
                await self._news.wait()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Stage:
    """One database, one registry, and the nodes on it; what was started is stopped at the end."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url = url
        self.clock = clock
        self.registry = Registry()
        self._started: list[Node] = []

    def operation(self, **options: Any) -> Callable[[Function], Function]:
        """Register a function under its own name with dashes, before any node is made."""

        def register(function: Function) -> Function:
            self.registry.add(Registered(f"/{function.__name__}", function, **options))
            return function

        return register

    def store(self, *, clock: Clock | None = None, notify: bool = True) -> Meddled:
        """A store on the database, not yet open."""
        return Meddled(open_store(load({"database": self.url, "notify": notify}, {}), clock or self.clock))

    async def node(
        self,
        *,
        working: bool = True,
        store: Meddled | None = None,
        clock: Clock | None = None,
        registry: Registry | None = None,
        lifespan: Lifespan | None = None,
        **settings: Any,
    ) -> Node:
        """A node that has started."""
        known = load({"drain_timeout": 1.0, **settings}, {})
        home = store or self.store(clock=clock, notify=known.notify)
        node = Node(
            cast(Store, home),
            registry or self.registry,
            known,
            working=working,
            clock=clock or self.clock,
            lifespan=lifespan,
        )
        await node.start()
        self._started.append(node)
        return node

    async def stop(self, node: Node) -> None:
        """In good order."""
        self._started.remove(node)
        await node.stop()

    async def stop_all(self) -> None:
        for node in list(self._started):
            await self.stop(node)


def store_of(node: Node) -> Meddled:
    """The store of a node of a stage."""
    return cast(Meddled, node.store)


async def submit(node: Node, name: str, input: Any = None, *, key: Key | None = None) -> Handle:
    """Submit as the app does it."""
    registered = node.registry.named(name)
    assert registered is not None
    service = Service(node)
    accepted = await service.submit(registered, to_json(input), owner=OWNER, key=key)
    return Handle(service, accepted.operation, replayed=accepted.replayed)


async def ended(node: Node, name: str, input: Any = None) -> Operation:
    """Submit, and the operation once it has ended."""
    return await (await submit(node, name, input)).wait(PATIENCE)


async def until(node: Node, id: str, condition: Callable[[Operation], bool]) -> Operation:
    """The operation as soon as it is as wished, as this node sees it."""
    service = Service(node)
    async with asyncio.timeout(PATIENCE):
        with node.feed.watch(id) as watch:
            while True:
                watch.changed.clear()
                operation = await service.get(id, None)
                if condition(operation):
                    return operation
                await watch.changed.wait()


async def registered_worker(node: Node) -> str:
    """The id of a node's worker, once it may claim."""
    await store_of(node).seen(Renew, 1)
    assert node.worker is not None
    return node.worker.id


@contextlib.asynccontextmanager
async def staged(url: str, clock: Clock) -> AsyncIterator[Stage]:
    """A stage for one test."""
    stage = Stage(url, clock)
    try:
        yield stage
    finally:
        await stage.stop_all()
