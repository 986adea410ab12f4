"""`accepted migrate | doctor`: what looks after a database and a set-up."""

from __future__ import annotations

import os

import click

from .option import database_option, read_settings


@click.command()
@database_option
@click.option("--check", is_flag=True, help="Only say whether migrations are missing; then exit with 1.")
@click.option("--sql", is_flag=True, help="PostgreSQL: only print what an empty database is to be given.")
@click.option("--from", "source", metavar="URL", help="Then copy all of sqlite:///path into the empty database.")
def migrate(database: str | None, check: bool, sql: bool, source: str | None) -> None:
    """Bring the database's schema up to date (SQLite does so by itself at the start)."""
    from ..doctor import migration_script, missing_migrations, run_migrations
    from ..serve import check_database

    settings = read_settings(database)
    check_database(settings)
    if source is not None and (not source.startswith("sqlite:///") or settings.database.startswith("sqlite:")):
        raise click.UsageError(
            "--from names a SQLite file (sqlite:///path), --database or ACCEPTED_DATABASE_URL the PostgreSQL database."
        )
    if sql:
        click.echo(migration_script(settings))
        return
    if check:
        missing = missing_migrations(settings)
        click.echo("\n".join(f"missing: {name}" for name in missing) or "The schema is up to date.")
        raise SystemExit(1 if missing else 0)
    applied = run_migrations(settings)
    click.echo("\n".join(f"applied: {name}" for name in applied) or "The schema is up to date.")
    if source is not None:
        _move(source.removeprefix("sqlite:///"), settings.database)


def _move(path: str, target: str) -> None:
    from ..doctor_postgres import run_move
    from ..settings import without_password

    def tell(table: str, rows: int) -> None:
        click.echo(f"copied: {table}, {rows:,} rows")

    number = run_move(path, target, tell)
    click.echo(f"{number:,} operations are now in {without_password(target)}. {path} is as it was: serve it no more.")


@click.command()
@click.argument("app", required=False)
@database_option
def doctor(app: str | None, database: str | None) -> None:
    """Say what is wrong with this set-up: APP (module:name) if given, settings, database, workers."""
    from ..doctor import examine

    if database is not None:
        os.environ["ACCEPTED_DATABASE_URL"] = database
    worst = 0
    for finding in examine(app):
        click.echo(finding.line())
        worst = max(worst, finding.severity)
    raise SystemExit(1 if worst > 1 else 0)
