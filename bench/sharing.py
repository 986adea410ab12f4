"""How several processes write one SQLite file: four ways, side by side.

    python -m bench.sharing                               a minute and a half; prints two tables
    python -m bench.sharing --rounds 5 --commits 10000 --only full       as in docs/decisions/0002

    busy        each process has its own writing connection; SQLite's busy handler sorts them out
    turnstile   the same behind a fair hand-off: flock(NEXT), flock(MUTEX), unlock(NEXT), commit, unlock(MUTEX)
    scribe      turnstile, but each client's connection lives in a small process of its own, behind a socket
    server      one writing process; clients send batches over a socket, whatever waits becomes one commit

Rules of the room. Rounds are paired: each runs every way once, on a fresh file, so that a noisy neighbour hurts all
alike. A run ends after a number of commits, never after a time: "the slowest of n" means nothing without n. Every
commit is fsynced, the pragmas are read back, and in the end the file is held against what was acknowledged. What is
written has the shape of an accept: four rows in four tables. Client 0 plays the web process; user code that keeps the
interpreter lock runs in the last client. The file stands alone, so that its figures outlive the product's schema.
"""

import argparse
import fcntl
import multiprocessing
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.connection import Client, Listener, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

import apsw
import msgspec

SCHEMA = """
CREATE TABLE operation(id TEXT PRIMARY KEY, client INTEGER, status INTEGER, version INTEGER) WITHOUT ROWID;
CREATE TABLE event(id TEXT, seq INTEGER, body BLOB, PRIMARY KEY(id, seq)) WITHOUT ROWID;
CREATE TABLE payload(id TEXT PRIMARY KEY, input BLOB);
CREATE TABLE idempotency(key TEXT PRIMARY KEY, id TEXT) WITHOUT ROWID;
"""
PRAGMAS = {"busy_timeout": 60_000, "journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0}  # 2 is FULL
PRAGMAS |= {"cache_size": -16_384, "journal_size_limit": 64 << 20, "temp_store": 2}  # temp_store 2 is MEMORY
CHECKPOINT_PAGES = 4_000  # 16 MiB: docs/decisions/0002 has the curve
BODY = b"x" * 200
PAUSE = 0.3  # seconds a SIGSTOP lasts, and a run goes on after a SIGKILL
CONTEXT = multiprocessing.get_context("fork")  # lock files are opened after the fork: a child's copy outlives the owner


class Op(msgspec.Struct, frozen=True, array_like=True):
    id: str
    client: int
    body: bytes


Commit = Callable[[list[Op]], None]


class Turnstile:
    """Whoever commits in a loop queues behind the one already waiting at NEXT; both locks fall with their process."""

    def __init__(self, database: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._next, self._mutex = (os.open(f"{database}-{name}", flags, 0o600) for name in ("next", "mutex"))

    def __enter__(self) -> None:
        fcntl.flock(self._next, fcntl.LOCK_EX)
        fcntl.flock(self._mutex, fcntl.LOCK_EX)
        fcntl.flock(self._next, fcntl.LOCK_UN)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._mutex, fcntl.LOCK_UN)


class Writer:
    """A writing connection in this process."""

    def __init__(self, database: str, *, fair: bool) -> None:
        self._turn = Turnstile(database) if fair else nullcontext()
        self._connection = connect(database)
        self._wal_pages = 0
        self._connection.set_wal_hook(self._note_wal)

    def commit(self, ops: list[Op]) -> None:
        with self._turn:
            self._connection.execute("BEGIN IMMEDIATE")
            self._insert(ops)
            self._connection.execute("COMMIT")
            if self._wal_pages > CHECKPOINT_PAGES:
                with suppress(apsw.BusyError):  # without a turnstile another process may be at it
                    self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _insert(self, ops: list[Op]) -> None:
        many = self._connection.executemany
        many("INSERT INTO operation VALUES(?, ?, 0, 1)", [(op.id, op.client) for op in ops])
        many("INSERT INTO event VALUES(?, 1, ?)", [(op.id, b'{"status":"PENDING"}') for op in ops])
        many("INSERT INTO payload VALUES(?, ?)", [(op.id, op.body) for op in ops])
        many("INSERT INTO idempotency VALUES(?, ?)", [(op.id[::-1], op.id) for op in ops])

    def _note_wal(self, _connection: apsw.Connection, _schema: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK


def connect(database: str) -> apsw.Connection:
    """The pragmas are read back: `execute` with its cursor dropped skips all after the first that returns a row."""
    connection = apsw.Connection(database)
    for name, value in PRAGMAS.items():
        connection.pragma(name, value)
    if {name: connection.pragma(name) for name in PRAGMAS} != PRAGMAS:
        sys.exit("the pragmas are not in force")
    return connection


def serve(database: str, address: str, clients: int, ready: Any, fair: bool) -> None:
    """Commit what arrived during the previous commit as one batch, until the last client hangs up."""
    commit, decode = Writer(database, fair=fair).commit, msgspec.msgpack.Decoder(list[Op]).decode
    with Listener(address, "AF_UNIX", backlog=16) as listener:
        ready.set()
        connections: list[Any] = [listener.accept() for _ in range(clients)]
    while connections:
        batches: dict[Any, bytes] = {connection: receive(connection) for connection in wait(connections)}
        connections = [connection for connection in connections if batches.get(connection, b".")]
        if any(batches.values()):
            commit([op for batch in batches.values() if batch for op in decode(batch)])
        for connection in filter(batches.get, batches):
            with suppress(OSError):
                connection.send_bytes(b"done")


def receive(connection: Any) -> bytes:
    with suppress(EOFError, OSError):
        return bytes(connection.recv_bytes())
    return b""


def remote(address: str) -> Commit:
    connection: Any = Client(address, "AF_UNIX")

    def commit(ops: list[Op]) -> None:
        connection.send_bytes(msgspec.msgpack.encode(ops))
        connection.recv_bytes()

    return commit


@dataclass(frozen=True)
class Load:
    """Operations in a commit, the mean rest between commits in seconds, and what the client's user code does."""

    least: int = 1
    most: int = 20
    rest: float = 0.0
    user_code: Callable[[], object] | None = None


class Board:
    """What the clients report, in shared memory: it survives a kill -9 of the one that wrote it."""

    def __init__(self, clients: int, commits: int) -> None:
        self.limit = CONTEXT.RawValue("q", commits)
        self.commits, self.ops = CONTEXT.RawArray("q", clients), CONTEXT.RawArray("q", clients)
        self.seconds, self.ended = ([CONTEXT.RawArray("d", commits + 9) for _ in range(clients)] for _ in range(2))
        self.go, self.connected = CONTEXT.Event(), CONTEXT.Semaphore(0)

    def record(self, client: int, began: float, ops: int) -> None:
        n, ended = self.commits[client], time.perf_counter()
        self.seconds[client][n], self.ended[client][n] = ended - began, ended
        self.ops[client] += ops
        self.commits[client] = n + 1


def run_client(client: int, load: Load, board: Board, connected: Callable[[], Commit]) -> None:
    commit, rng = connected(), random.Random(client)
    if load.user_code:
        threading.Thread(target=for_ever, args=(load.user_code,), daemon=True).start()
    board.connected.release()
    board.go.wait()
    while sum(board.commits) < board.limit.value:
        ids = [f"{time.time_ns():x}{rng.getrandbits(40):010x}" for _ in range(rng.randint(load.least, load.most))]
        ops = [Op(id, client, BODY) for id in ids]
        began = time.perf_counter()
        try:
            commit(ops)
        except (EOFError, OSError):
            os._exit(1)
        board.record(client, began, len(ops))
        if load.rest:
            time.sleep(rng.expovariate(1 / load.rest))
    os._exit(0)  # past the user code, which never ends


def for_ever(user_code: Callable[[], object]) -> None:
    while True:
        user_code()


class Run:
    """The processes of one way over one fresh file."""

    def __init__(self, way: str, loads: list[Load], commits: int, folder: str) -> None:
        self.way, self.database = way, f"{folder}/accepted.db"
        self.board = Board(len(loads), commits)
        connect(self.database).execute(SCHEMA)
        share = {"scribe": 1, "server": len(loads)}.get(way, 0)  # clients to a writing process
        self.writers = [self._start_writer(n, share) for n in range(len(loads) // share if share else 0)]
        self.clients = [start(run_client, n, load, self.board, self._connector(n)) for n, load in enumerate(loads)]
        for _ in loads:
            if not self.board.connected.acquire(timeout=30):
                sys.exit(f"{way}: a client could not connect")
        self._began = time.perf_counter()
        self.board.go.set()

    def _start_writer(self, number: int, clients: int) -> BaseProcess:
        ready = CONTEXT.Event()
        process = start(serve, self.database, f"{self.database}-{number}", clients, ready, self.way == "scribe")
        ready.wait()
        return process

    def _connector(self, client: int) -> Callable[[], Commit]:
        if self.writers:
            return lambda: remote(f"{self.database}-{client % len(self.writers)}")
        return lambda: Writer(self.database, fair=self.way == "turnstile").commit

    def finish(self) -> float:
        """Seconds from the start to the last commit, once every process has ended and the file was checked."""
        for process in self.clients + self.writers:
            process.join(300)
            if process.exitcode is None:
                sys.exit(f"{self.way}: a process did not end")
        self._check()
        return float(max(map(max, self.board.ended))) - self._began

    def _check(self) -> None:
        connection = connect(self.database)
        stored = dict(connection.execute("SELECT client, count(*) FROM operation GROUP BY client"))
        lost = [client for client, acknowledged in enumerate(self.board.ops) if stored.get(client, 0) < acknowledged]
        if lost or connection.pragma("integrity_check") != "ok":
            sys.exit(f"{self.way}: the file lacks acknowledged operations of clients {lost}, or is corrupt")


def start(target: Callable[..., None], *arguments: object) -> BaseProcess:
    process = CONTEXT.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


WAYS = ("busy", "turnstile", "scribe", "server")
FULL = Load()
SCENARIOS = {
    "alone, 1 a commit": [Load(most=1)],
    "alone, 64 a commit": [Load(least=64, most=64)],
    "two at full load": [FULL, FULL],
    "three at full load": [FULL, FULL, FULL],
    "now and then, one at full load": [Load(most=1, rest=0.005), FULL],
    "worker loops in Python": [FULL, Load(user_code=lambda: None)],
    "worker in C calls of 0.2 s": [FULL, Load(user_code=lambda: sum(range(12 * 10**6)))],
}


class Figures(NamedTuple):
    """Milliseconds of a commit as its caller saw it; `web` is client 0; `turns` in percent of all commits."""

    p50: float
    p99: float
    slowest: float
    web_slowest: float
    web_turns: float
    ops_per_second: float


def measure(way: str, loads: list[Load], commits: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="sharing-") as folder:
        run = Run(way, loads, commits, folder)
        elapsed = run.finish()
    board = run.board
    each = [[1e3 * s for s in seconds[:n]] for seconds, n in zip(board.seconds, board.commits, strict=True)]
    web, every = each[0] or [1e3 * elapsed], sorted(ms for client in each for ms in client)
    p50, p99, turns = every[len(every) // 2], every[len(every) * 99 // 100], 100 * len(each[0]) / len(every)
    return Figures(p50, p99, every[-1], max(web), turns, sum(board.ops) / elapsed)


def compare(rounds: int, commits: int, only: str) -> None:
    print(f"{commits} commits in all; medians of {rounds} paired rounds, in brackets the worst round")
    print(f"{'':31}way           p50 ms  p99 ms  slowest    (..)  web's    (..)  web's turns (..)    ops/s")
    for name, loads in filter(lambda scenario: only in scenario[0], SCENARIOS.items()):
        taken: dict[str, list[Figures]] = {way: [] for way in WAYS}
        for number in range(rounds):
            for way in WAYS[number % len(WAYS) :] + WAYS[: number % len(WAYS)]:
                taken[way].append(measure(way, loads, commits))
        for way in WAYS:
            print(f"{name:31}{way:12}{row(taken[way])}", flush=True)


def row(figures: list[Figures]) -> str:
    median = Figures(*map(statistics.median, zip(*figures, strict=True)))
    slowest, web = max(each.slowest for each in figures), max(each.web_slowest for each in figures)
    return (
        f"{median.p50:8.2f}{median.p99:8.2f}{median.slowest:9.1f}{slowest:8.1f}{median.web_slowest:7.1f}{web:8.1f}"
        f"{median.web_turns:11.0f}%{min(each.web_turns for each in figures):5.0f}%{median.ops_per_second:9.0f}"
    )


def drill_all(times: int) -> None:
    """What a signal to one process does to the others."""
    print(f"\nthree at full load, a signal to one process, {times} times; SIGSTOP lasts {1e3 * PAUSE:.0f} ms")
    print("slowest commit of the other clients: median, worst, in ms; how often the others went on")
    for role, way in [("client", way) for way in WAYS] + [("writer", "scribe"), ("writer", "server")]:
        for sent in (signal.SIGKILL, signal.SIGSTOP):
            stalls, alive = zip(*(drill(role, way, sent) for _ in range(times)), strict=True)
            stall = f"{statistics.median(stalls):9.1f}{max(stalls):9.1f}" if any(alive) else f"{'-':>9}{'-':>9}"
            print(f"{sent.name} to a {role:8}{way:10}{stall}{sum(alive):7} of {times}", flush=True)


def drill(role: str, way: str, sent: signal.Signals) -> tuple[float, bool]:
    with tempfile.TemporaryDirectory(prefix="sharing-") as folder:
        run = Run(way, [FULL] * 3, 50_000, folder)
        time.sleep(random.uniform(0.05, 0.1))
        struck = time.perf_counter()
        victim = (run.clients if role == "client" else run.writers)[-1].pid or 0
        os.kill(victim, sent)
        time.sleep(PAUSE)
        if sent is signal.SIGSTOP:
            os.kill(victim, signal.SIGCONT)
            time.sleep(PAUSE)
        run.board.limit.value = 0
        run.finish()
    records = [record for n in (0, 1) for record in zip(run.board.seconds[n], run.board.ended[n], strict=True)]
    stall = max((1e3 * seconds for seconds, ended in records if ended > struck), default=0.0)
    return stall, all(client.exitcode == 0 for client in run.clients[:2])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sharing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--commits", type=int, default=200)
    parser.add_argument("--drills", type=int, default=2, help="times each signal is sent; 0 for none")
    parser.add_argument("--only", default="", help="part of a scenario's name")
    options = parser.parse_args()
    compare(options.rounds, options.commits, options.only)
    if options.drills:
        drill_all(options.drills)


if __name__ == "__main__":
    main()
