"""`accepted keys`: API keys on the command line. A token goes to standard output, once; all else is for people."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from .option import configure_logs, database_option, read_settings

T = TypeVar("T")
Work = Callable[[Any], Awaitable[T]]

_ONCE = "This is shown once. Keep it as you keep a password, and send it as `Authorization: Bearer ...`."


@click.group()
def keys() -> None:
    """Make, list, replace and revoke API keys. From the first one on, every request has to bear one."""


@keys.command()
@click.option("--owner", required=True, help="Whose operations it is for.")
@click.option("--role", default="submit,read", show_default=True, help="submit, read, cancel, admin; or several.")
@click.option("--expires", metavar="DURATION", help="Such as 90d; without it, until it is revoked.")
@click.option("--name", default="", help="What it is for, so that you know it again.")
@database_option
def create(owner: str, role: str, expires: str | None, name: str, database: str | None) -> None:
    """Make a key and print its token."""
    made = _run(database, lambda keys: keys.create(owner, role, expires=expires, name=name))
    _tell(made)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@database_option
def list_keys(as_json: bool, database: str | None) -> None:
    """List all keys, without their secrets."""
    found, now = _run(database, _all)
    if as_json:
        import json

        click.echo(json.dumps([_row(key, now) for key in found], indent=2))
        return
    from ..logs import escaped

    for row in (_row(key, now) for key in found):
        ends = f"until {row['expiresAt']}" if row["expiresAt"] else ""
        words = (row["id"], row["state"].ljust(7), row["owner"], ",".join(row["roles"]), ends, row["name"])
        click.echo(escaped("  ".join(filter(None, words))))
    if not found:
        click.echo("There are no keys: whoever reaches the server may use it.", err=True)


@keys.command()
@click.argument("id")
@click.option("--overlap", default="24h", show_default=True, metavar="DURATION", help="How long the old one works on.")
@database_option
def rotate(id: str, overlap: str, database: str | None) -> None:
    """Make a new key in the place of another, and print its token; the old one ends after the overlap."""
    _tell(_run(database, lambda keys: keys.rotate(id, overlap=overlap)))


@keys.command()
@click.argument("id")
@database_option
def revoke(id: str, database: str | None) -> None:
    """End a key at once; open streams end within seconds."""
    _run(database, lambda keys: keys.revoke(id))
    click.echo(f"revoked: {id}")


def _tell(made: Any) -> None:
    click.echo(f"{made.key.id} for {made.key.owner!r} may {', '.join(made.key.roles)}. {_ONCE}", err=True)
    click.echo(made.token)


async def _all(keys: Any) -> Any:
    return await keys.all(), datetime.now(UTC).timestamp() * 1000


def _row(key: Any, now: float) -> dict[str, Any]:
    from ..contract.wire import timestamp

    return {
        "id": key.id,
        "state": key.state(now),
        "owner": key.owner,
        "roles": list(key.roles),
        "createdAt": timestamp(key.created_at),
        "expiresAt": None if key.expires_at is None else timestamp(key.expires_at),
        "revokedAt": None if key.revoked_at is None else timestamp(key.revoked_at),
        "name": key.name,
    }


def _run(database: str | None, work: Work[T]) -> T:
    from ..serve import check_database

    settings = read_settings(database)
    check_database(settings)
    configure_logs()
    return run(settings, work)


def run(settings: Any, work: Work[T]) -> T:
    """Do something with the keys of a database. Exits with 1 and one line where that does not go."""
    from ..app import open_store
    from ..keys import Keys
    from ..store.clock import Clock
    from ..store.protocol import StoreUnavailable

    async def go() -> T:
        store = open_store(settings, Clock())
        await store.open()
        try:
            return await work(Keys(store, getpass.getuser()))
        finally:
            await store.close()

    try:
        return asyncio.run(go())
    except (StoreUnavailable, LookupError, ValueError) as error:
        raise click.ClickException(str(error.args[0])) from None
