"""`Accepted`: the decorator, the settings, and the wiring of everything below (house, floor 6).

An `Accepted` is an ASGI application. It begins with the lifespan of its server, or, mounted where the parent forgets
the lifespan, with its first request. By default operations run inside of the same process, on threads of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import get_ident
from typing import Any, Self, TypeVar

from msgspec.structs import replace
from starlette.types import Receive, Scope, Send

from .contract.caller import NOBODY
from .contract.policy import Backoff, Duration, seconds
from .contract.transition import Key
from .engine import audit
from .engine.execution import Lifespan
from .engine.model import to_json
from .engine.node import Node
from .engine.registry import KeyOf, PriorityOf, Registered, Registry
from .handle import Handle
from .http.app import Face
from .http.body import fingerprint, parse
from .http.farewell import notice_the_end, told_of_the_end
from .http.guard import Authenticate, Verifier
from .keys import Keys
from .service import Service
from .settings import InvalidSetting, Settings, load
from .store.clock import Clock
from .store.protocol import Store
from .store.sqlite import SqliteStore

F = TypeVar("F", bound=Callable[..., Any])

log = logging.getLogger("accepted")


class Accepted:
    """Asynchronous operations over HTTP.

    Settings are keywords here, else `ACCEPTED_<NAME>`, else the defaults of `accepted.settings.Settings`. `worker`
    says whether operations run in this process. `lifespan` is an async context manager around everything that runs on
    the worker's loop: what coroutines share, such as a connection pool, is made there. `authenticate` says who asks: an
    async function of the request that gives a `Caller`, or None for nobody. Raises `InvalidSetting`.
    """

    def __init__(
        self,
        *,
        worker: bool = True,
        lifespan: Lifespan | None = None,
        authenticate: Authenticate | None = None,
        clock: Clock | None = None,
        **settings: Any,
    ) -> None:
        self.settings: Settings = load(settings)
        self.registry = Registry()
        self.worker = worker
        self.authenticate = authenticate
        self._lifespan = lifespan
        self._clock = clock or Clock()
        self._node: Node | None = None
        self._service: Service | None = None
        self._face: Face | None = None
        self._starting: asyncio.Lock | None = None
        self._thread = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._left: Node | None = None

    # --- what a user writes

    def operation(
        self,
        path: str,
        *,
        name: str | None = None,
        result: str | None = None,
        result_id: str = "report",
        phases: Sequence[str] | Mapping[str, float] = (),
        attempts: int = 1,
        backoff: str | Backoff = "1s..60s",
        timeout: Duration | None = None,
        cancel_grace: Duration | None = None,
        retention: Duration | None = None,
        concurrency: int | None = None,
        concurrency_key: KeyOf | None = None,
        concurrency_per_key: int = 1,
        priority: int | PriorityOf = 0,
        isolate: bool = False,
    ) -> Callable[[F], F]:
        """Make a typed function an operation, submitted by `POST` on `path`; the function itself stays as it is.

        `attempts` counts all runs; between them lies `backoff` with full jitter. `timeout` limits one attempt.
        `result` gives results a resource of their own, whose parameter gets ids that begin with `result_id`. `phases`
        are announced as PENDING from the start; a mapping gives them weights. `concurrency` limits this type over all
        workers, and `concurrency_per_key` those of one key: `concurrency_key` makes it of the input (None: no limit),
        or is "owner". `priority`, 0 to 9, or a function of the input, orders what one owner has waiting. Both functions
        are called at the submit, on the event loop. Raises ValueError or TypeError for what cannot be.
        """

        def register(function: F) -> F:
            if self._node is not None:  # its worker would never know
                raise RuntimeError(f"{path}: operations are registered before the app starts")
            self.registry.add(
                Registered(
                    path,
                    function,
                    name=name,
                    result=result,
                    result_id=result_id,
                    phases=phases,
                    attempts=attempts,
                    backoff=Backoff.parse(backoff),
                    timeout=None if timeout is None else seconds(timeout),
                    cancel_grace=self.settings.cancel_grace if cancel_grace is None else seconds(cancel_grace),
                    retention=self.settings.retention if retention is None else seconds(retention),
                    concurrency=concurrency,
                    concurrency_key=concurrency_key,
                    concurrency_per_key=concurrency_per_key,
                    priority=priority,
                    isolate=isolate,
                )
            )
            return function

        return register

    async def submit(
        self,
        name: str,
        input: Any = None,
        *,
        idempotency_key: str | None = None,
        owner: str | None = None,
        webhook: Mapping[str, Any] | None = None,
    ) -> Handle:
        """Submit in process, with the same guarantees as over HTTP.

        `webhook` is what a client would send as that member; it needs `public_url`. Raises LookupError for an unknown
        name, else `Refusal`.
        """
        registered = self.registry.named(name)
        if registered is None:
            raise LookupError(f"there is no operation named {name!r}")
        await self.start()
        body = to_json(input)
        whole = [parse(body), dict(webhook)] if webhook is not None else parse(body)
        key = Key(registered.path, idempotency_key, fingerprint(whole)) if idempotency_key is not None else None
        hook = await self.service.webhook(dict(webhook), self.settings.public_url) if webhook is not None else None
        registration = hook.registration if hook is not None else None
        accepted = await self.service.submit(registered, body, owner=owner or NOBODY, key=key, webhook=registration)
        if not accepted.replayed:
            audit.note("submit", audit.in_process(owner or NOBODY), accepted.operation.id)
        minted = hook.registration.secrets[0] if hook and hook.minted and not accepted.replayed else None
        return Handle(self.service, accepted.operation, replayed=accepted.replayed, webhook_secret=minted)

    def install(self, app: Any, prefix: str = "") -> None:
        """Put routes, OpenAPI and lifespan into an existing FastAPI or Starlette app, under `prefix`."""
        from .http.install import install

        install(self, app, prefix)

    def router(self, prefix: str = "", **options: Any) -> Any:
        """A FastAPI `APIRouter` with all routes; `options` are its own, such as `dependencies`."""
        from .http.install import router

        return router(self, prefix, **options)

    # --- life

    @property
    def service(self) -> Service:
        """The door behind HTTP; there once the app has started."""
        if self._service is None:
            raise RuntimeError("the app has not started: await app.start(), or run it with a lifespan")
        return self._service

    @property
    def asks_who_is_there(self) -> bool:
        """Whether callers have to say who they are, also while there is no key."""
        settings = self.settings
        return bool(self.authenticate or settings.require_auth or settings.jwt_jwks_url or settings.jwt_key)

    @property
    def guarded(self) -> bool:
        """The same now, keys considered."""
        return self.asks_who_is_there or (self._face is not None and self._face.guarded)

    def _verifier(self) -> Verifier | None:
        if not (self.settings.jwt_jwks_url or self.settings.jwt_key):
            return None
        from .http.jwt import TokenVerifier

        return TokenVerifier(self.settings, self._clock.monotonic)

    @property
    def keys(self) -> Keys:
        """The API keys of its database; there once the app has started. Every change is in the audit trail."""
        return Keys(self.node.store, "in process", self.node.keyring.look)

    @property
    def node(self) -> Node:
        """The engine of this process; there once the app has started."""
        if self._node is None:
            raise RuntimeError("the app has not started: await app.start(), or run it with a lifespan")
        return self._node

    @property
    def face(self) -> Face:
        """The HTTP side; there once the app has started."""
        if self._face is None:
            raise RuntimeError("the app has not started: await app.start(), or run it with a lifespan")
        return self._face

    async def start(
        self, *, worker: bool | None = None, apart: bool = False, worker_id: str = "", predecessor: str = ""
    ) -> None:
        """Open the store and begin; again does nothing.

        `apart` writes through a process of its own (for worker processes).
        """
        async with self._at_home():
            await self._clear_away()
            if self._node is not None:
                return
            working = self.worker if worker is None else worker
            store = open_store(self.settings, self._clock, apart=apart)
            node = Node(
                store, self.registry, self.settings, working=working, clock=self._clock, lifespan=self._lifespan
            )
            if node.worker is not None:
                node.worker.succeed(worker_id, predecessor)
            await node.start()
            self._service = Service(node)
            known = self._verifier()
            self._face = Face(
                node, self._service, self.registry, self.settings, verifier=known, authenticate=self.authenticate
            )
            self._node = node
            notice_the_end(self.drain)

    def drain(self) -> None:
        """From now on submits get 503 and nobody waits any longer; a server calls it before it waits for its
        connections.
        """
        if self._node is not None:
            self._node.drain()

    async def stop(self) -> None:
        """End in good order; what runs is handed back."""
        async with self._at_home():  # whoever still asks is told so by the node that stops, and starts no other
            await self._clear_away()
            if self._node is not None:
                await self._node.stop()
                self._node = self._service = self._face = None

    @contextlib.contextmanager
    def borrowed(self, clock: Clock, **settings: Any) -> Iterator[None]:
        """Another clock and other settings for the length of a block, in which it is started and stopped: for tests.

        Raises RuntimeError while the app runs, `InvalidSetting` as its constructor does.
        """
        if self._node is not None:
            raise RuntimeError("the app runs already: stop it before it is tried elsewhere")
        before = self.settings, self._clock
        read = load(settings)
        self.settings = replace(self.settings, **{name: getattr(read, name) for name in settings})
        self._clock = clock
        try:
            yield
        finally:
            self.settings, self._clock = before

    def _at_home(self) -> asyncio.Lock:
        """The lock for start and stop on the running loop.

        A loop that has ended took with it whatever ran on it, as happens between tests where nobody runs the
        lifespan. What is left of that is cleared away, and the next start begins anew.
        """
        loop = asyncio.get_running_loop()
        if self._starting is None or self._loop is not loop:
            if self._node is not None and self._loop is not None:
                if self._loop.is_running():
                    raise RuntimeError("this app runs on the event loop of another thread")
                log.warning("the event loop of this app has ended without its lifespan; starting again")
                self._left, self._node, self._service, self._face = self._node, None, None, None
            self._loop, self._starting, self._thread = loop, asyncio.Lock(), get_ident()
        return self._starting

    async def _clear_away(self) -> None:
        left, self._left = self._left, None
        if left is not None:
            await left.abandon()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        if scope["type"] == "http":
            # Asking for the running loop is a system call; for each request the thread's number has to do.
            face = self._face
            if face is None or self._thread != get_ident() or self._loop is None or not self._loop.is_running():
                await self.start()
                face = self.face
            await face(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            if self._face is None or self._loop is not asyncio.get_running_loop():
                await self.start()
            await self.face.connect(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            log.error("cannot start: %s", error)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        with told_of_the_end(self.drain):
            await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})


def open_store(settings: Settings, clock: Clock, *, apart: bool = False) -> Store:
    """The store that `settings.database` names. Raises `InvalidSetting`."""
    if settings.database.startswith("sqlite:///"):
        path = settings.database.removeprefix("sqlite:///")
        if not path or path.startswith(":memory:"):
            raise InvalidSetting("database: sqlite needs a file, such as sqlite:///accepted.db")
        return SqliteStore(path, clock=clock, apart=apart, notify=settings.notify)
    from .store.postgres import PostgresStore

    choices = {name: getattr(settings, name) for name in ("notify", "listen_url", "prepared_statements")}
    return PostgresStore(settings.database, clock=clock, **choices)
