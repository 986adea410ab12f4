"""What several commands share: the option that names a database, and settings told in one line when they are wrong."""

from __future__ import annotations

from typing import Any

import click

database_option = click.option(
    "--database", metavar="URL", help="sqlite:///path or postgresql://...; else ACCEPTED_DATABASE_URL."
)


def read_settings(database: str | None = None) -> Any:
    """The settings of the environment. Exits with 2 and one line where they cannot be read."""
    from ..serve import Refused
    from ..settings import InvalidSetting, load

    try:
        return load({"database": database})
    except InvalidSetting as error:
        raise Refused(str(error)) from None


def configure_logs() -> None:
    """Log lines as the settings want them."""
    from ..logs import configure

    configure(read_settings().log_format)
