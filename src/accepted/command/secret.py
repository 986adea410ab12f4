"""`accepted reseal`: after a new key was put first."""

from __future__ import annotations

import asyncio

import click

from .option import database_option, read_settings


@click.command()
@database_option
def reseal(database: str | None) -> None:
    """Seal the secrets of all webhooks with the first of ACCEPTED_SECRET_KEYS; the service may go on meanwhile."""
    from ..engine.vault import Sealed, Vault
    from ..serve import Refused, check_database
    from ..store.protocol import StoreUnavailable
    from ..store.reseal import rewrite_database, rewrite_file

    settings = read_settings(database)
    check_database(settings)
    if not settings.secret_keys:
        raise Refused("There is no key: set ACCEPTED_SECRET_KEYS, the new one first.")
    change = Vault(settings.secret_keys).resealed
    try:
        if settings.database.startswith("sqlite:"):
            number = rewrite_file(settings.database.removeprefix("sqlite:///"), change)
        else:
            number = asyncio.run(rewrite_database(settings.database, change))
    except (Sealed, StoreUnavailable) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{number:,} webhooks sealed anew; all of them open with the first key.")
