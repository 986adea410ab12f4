"""PgBouncer before the PostgreSQL server of the test process: in transaction mode, with fewer connections than clients.

It listens on a port of loopback, for all databases there are, and ends with the process.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.processes.deadline import until
from tests.store.cluster import free_ports
from tests.store.server import KEEPER, NOBODY, common_ground, end, place, the_server

SIZE = 3  # connections to one database, for whoever comes: a store alone has up to five, and they have to share

_SETTINGS = """
[databases]
* = {upstream}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
"""


class Pooler:
    """One that runs before the server of the database at `url`."""

    def __init__(self, url: str) -> None:
        program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
        assert program is not None, "these tests need pgbouncer: `make tools` installs it"
        folder = Path(tempfile.mkdtemp(prefix="accepted-pool-", dir=common_ground()))
        (self.port,) = free_ports(1)
        settings, self.log = folder / "pgbouncer.ini", folder / "log"
        settings.write_text(_SETTINGS.format(upstream=_upstream(url), port=self.port, size=SIZE))
        own = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        for path in (folder, settings):
            os.chown(path, own.get("user", -1), own.get("group", -1))  # type: ignore[arg-type]
        with self.log.open("wb") as output:
            keeper = subprocess.Popen(
                ["/bin/sh", "-c", KEEPER, "keeper", "TERM", folder, program, settings],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **own,  # type: ignore[call-overload]
            )
        atexit.register(end, keeper)
        until("the pooler runs", lambda: "process up" in self.log.read_text())

    def url(self, direct: str) -> str:
        """The same database, through it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}{urlsplit(direct).path}"


@cache
def the_pooler() -> Pooler:
    """The one of this process."""
    return Pooler(the_server().maintenance)


def _upstream(url: str) -> str:
    """The server as PgBouncer's settings name it."""
    host, port, who = place(url)
    user, _, password = map(unquote, who.partition(":"))
    return f"host={host} port={port} user={user}" + (f" password={password}" if password else "")
