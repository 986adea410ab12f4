"""`accepted serve`: one web process and some worker processes under a small supervisor.

The supervisor owns the listening socket and runs no code but this. A process that dies is started again, the web
process on the same socket, so that clients wait a moment instead of being refused; a worker's successor takes back at
once what the dead one held. Ctrl-C and SIGTERM end all of them in good order; children notice by a pipe when their
supervisor is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import click

from .logs import configure
from .settings import InvalidSetting, Settings, without_password
from .store.protocol import StoreUnavailable

log = logging.getLogger("accepted.serve")

QUICK_DEATH = 2.0  # seconds; a process that dies sooner was not well configured
QUICK_DEATHS = 5
PREDECESSORS = 20
LONGEST_REST = 1.0  # seconds before a process that keeps dying is started again
REFUSED = 2  # exit code of refused configuration: starting again would not help
STOP_PATIENCE = 5.0  # seconds on top of drain_timeout before a process is killed


class Refused(click.ClickException):
    """A configuration we do not run with."""

    exit_code = REFUSED


# --- the app


def load_app(target: str) -> Any:
    """The `Accepted` app that `module:name` names. Raises `Refused`."""
    from .app import Accepted

    module_name, _, name = target.partition(":")
    if not module_name or not name:
        raise Refused(f"Name the app as module:name, such as reports:app, not {target!r}.")
    if "" not in sys.path and str(os.getcwd()) not in sys.path:  # noqa: PTH109
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        module = importlib.import_module(module_name)
    except InvalidSetting as error:
        raise Refused(f"{target}: {error}") from None
    except ModuleNotFoundError as error:
        if error.name != module_name.partition(".")[0] and error.name != module_name:
            raise
        raise Refused(f"There is no module {module_name!r} here or among the installed packages.") from None
    app = getattr(module, name, None)
    if not isinstance(app, Accepted):
        found = "nothing" if app is None else f"a {type(app).__name__}"
        raise Refused(f"{target} is {found}; it has to be an Accepted app.")
    return app


def check_database(settings: Settings, asked: str | None = None) -> None:
    """Raises `Refused` for a database that no process could open, or that is not the one asked for."""
    if asked not in {None, settings.database}:
        raise Refused(f"The app names its own database, {without_password(settings.database)}; leave out --database.")
    for file in filter(None, (settings.tls_cert, settings.tls_key)):
        if not os.access(file, os.R_OK):
            raise Refused(f"The file {file} for TLS is missing or cannot be read.")
    path = settings.database.removeprefix("sqlite:///")
    if path == settings.database:
        return  # PostgreSQL: asking is connecting
    if not path or path.startswith(":memory:"):
        raise Refused("The database has to be a file, such as sqlite:///accepted.db.")
    if not (folder := Path(path).absolute().parent).is_dir():
        raise Refused(f"There is no folder {folder} for the database.")


# --- the supervisor


class Child:
    """One process that is kept running."""

    def __init__(self, command: list[str], environment: dict[str, str], descriptors: tuple[int, ...]) -> None:
        self.command = command
        self._environment = environment
        self._descriptors = descriptors
        self._quick_deaths = 0
        self._proven = False
        self._worker_id = ""
        self._dead: list[str] = []
        self.start()

    def start(self) -> None:
        """Begin, or begin again after a death."""
        # All of late, not the last alone: that one may have died before it took anything back.
        self._dead = [id for id in (*self._dead, self._worker_id) if id][-PREDECESSORS:]
        self._worker_id = secrets.token_hex(16)
        environment = {
            **self._environment,
            "ACCEPTED_INTERNAL_WORKER_ID": self._worker_id,
            "ACCEPTED_INTERNAL_PREDECESSOR": ",".join(self._dead),
        }
        self._started = time.monotonic()
        self.again_at: float | None = None
        # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which passes it on in order.
        self.process = subprocess.Popen(
            self.command, env=environment, pass_fds=self._descriptors, start_new_session=True
        )

    def died(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def hopeless(self) -> bool:
        """Whether starting it again makes no sense. To be asked once after each death.

        A process that has once lived for a while is configured well, and a signal says nothing of configuration:
        functions that kill their worker must not end the server.
        """
        quick = time.monotonic() - self._started < QUICK_DEATH
        self._proven = self._proven or not quick
        self._quick_deaths = self._quick_deaths + 1 if quick else 0
        self.again_at = time.monotonic() + min(0.05 * 2 ** min(self._quick_deaths, 9), LONGEST_REST) - 0.05
        code = self.process.returncode
        return code == REFUSED or (code > 0 and not self._proven and self._quick_deaths >= QUICK_DEATHS)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still lives."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


def serve(
    target: str, settings: Settings, *, host: str, port: int, workers: int, on_ready: Callable[[str], None]
) -> int:
    """Run until stopped; gives the exit code."""
    listener = _listen(host, port)
    alive_read, alive_write = os.pipe()
    metrics = tempfile.mkdtemp(prefix="accepted-metrics-")
    stop = _Stop()
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": metrics,
        "ACCEPTED_DATABASE_URL": settings.database,
        "ACCEPTED_INTERNAL_ALIVE": str(alive_read),
    }
    base = [sys.executable, "-m", "accepted.cli"]
    web = [*base, "web", target, "--fd", str(listener.fileno())]
    try:
        children = [Child(web, environment, (alive_read, listener.fileno()))]
        children += [Child([*base, "worker", target], environment, (alive_read,)) for _ in range(workers)]
        on_ready(_url(listener, host, "https" if settings.tls_cert else "http"))
        code = _keep_running(children, stop)
        _end(children, stop, settings.drain_timeout + STOP_PATIENCE, listener)
        return code
    finally:
        os.close(alive_write)
        listener.close()
        shutil.rmtree(metrics, ignore_errors=True)


class _Stop:
    """What signals have asked for: the first one to stop, a second one to stop at once."""

    def __init__(self) -> None:
        self.asked = 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1


def _keep_running(children: list[Child], stop: _Stop) -> int:
    while not stop.asked:
        for child in children:
            if not child.died():
                continue
            if child.again_at is None:
                _forget_metrics(child.process.pid)
                if child.hopeless():
                    return REFUSED if child.process.returncode == REFUSED else 1
                log.warning("process %s ended with %s; starting it again", child.process.pid, child.process.returncode)
            elif time.monotonic() >= child.again_at:
                child.start()
        time.sleep(0.05)  # a signal interrupts it
    return 0


def _end(children: list[Child], stop: _Stop, patience: float, listener: socket.socket) -> None:
    """Ask all to stop; whoever does not within `patience` seconds, or when asked twice, is killed."""
    web, *_ = children
    for child in children:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + patience
    while any(not child.died() for child in children) and time.monotonic() < deadline and stop.asked < 2:
        if web.died():
            listener.close()  # while workers go on, clients are to be refused rather than kept waiting
        time.sleep(0.02)  # children are waited for by looking, all at once
    for child in children:
        child.signal(signal.SIGKILL)
        child.process.wait()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise click.ClickException(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
    listener.listen(2048)
    return listener


def _url(listener: socket.socket, host: str, scheme: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # what a client can say, and we answer to
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}:{listener.getsockname()[1]}"


def _forget_metrics(pid: int) -> None:
    from prometheus_client import multiprocess

    with contextlib.suppress(Exception):  # gauges of the dead; nothing depends on it
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # the library's


# --- the processes


def run_web(target: str, descriptor: int) -> None:
    """The web process: HTTP on a socket that is already open, no user code."""
    import uvicorn

    from .web import configuration

    app = load_app(target)
    settings: Settings = app.settings
    configure(settings.log_format)

    app.worker = False  # workers are other processes
    _collect_less()
    config = configuration(app, settings)
    server = uvicorn.Server(config)
    with _parent(lambda: signal.raise_signal(signal.SIGTERM)) as watch:
        config.load()
        loop_factory = config.get_loop_factory()
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            watch(runner.get_loop())
            # The socket object, not its number: uvicorn takes a number for a Unix socket and leaves Nagle's delay on.
            runner.run(server.serve(sockets=[socket.socket(fileno=descriptor)]))
    if not server.started:
        sys.exit(1)


def _collect_less() -> None:
    """Let the garbage collector look at what is new, and less often.

    What is imported stays for good. A request leaves hundreds of objects behind that reference counts free at once; the
    usual 700 had the collector run for every other request, 3 % of a submit's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def run_worker(target: str, database: str | None = None) -> None:
    """A worker process: users' functions, no HTTP. Raises `Refused`."""
    import uvloop

    app = load_app(target)
    check_database(app.settings, database)
    configure(app.settings.log_format)
    _collect_less()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(_work(app))
    # User code that did not stop may still run in daemon threads; it must not keep the process from ending.
    sys.stderr.flush()
    os._exit(code)


async def _work(app: Any) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with _parent(stop.set) as watch:
        watch(loop)
        try:
            await app.start(
                worker=True,
                apart=True,
                worker_id=os.environ.pop("ACCEPTED_INTERNAL_WORKER_ID", ""),
                predecessor=os.environ.pop("ACCEPTED_INTERNAL_PREDECESSOR", ""),
            )
        except StoreUnavailable as error:
            log.error("cannot start: %s", error)
            return 1
        failed = asyncio.create_task(app.node.failed.wait())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({failed, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await app.stop()
        return 1 if failed.done() else 0


@contextlib.contextmanager
def _parent(gone: Callable[[], None]) -> Iterator[Callable[[asyncio.AbstractEventLoop], None]]:
    """Calls `gone` when the supervisor's end of the pipe closes; without a supervisor it never does."""
    descriptor = int(os.environ.pop("ACCEPTED_INTERNAL_ALIVE", "-1"))

    def watch(loop: asyncio.AbstractEventLoop) -> None:
        if descriptor >= 0:
            loop.add_reader(descriptor, heard, loop)

    def heard(loop: asyncio.AbstractEventLoop) -> None:
        loop.remove_reader(descriptor)
        gone()

    yield watch
