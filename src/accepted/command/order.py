"""`accepted submit | cancel | retry`: what changes something on a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from .remote import Remote, complete_id, operation_id, remote_options
from .terminal import as_json, clean, is_terminal, plain_json, say, status
from .watch import code, follow

if TYPE_CHECKING:
    from ..client import Client, Operation, State


@click.command()
@click.argument("operation", metavar="URL")
@click.option("--data", metavar="JSON", help="The input: JSON, @FILE, or - for standard input.")
@click.option("--key", metavar="KEY", help="An Idempotency-Key of your own: once for one order, however often you ask.")
@click.option("--wait", is_flag=True, help="Follow it to its end and print its result.")
@click.option("--timeout", metavar="DURATION", help="With --wait: stop after this time, such as 90s; exit code 9.")
@remote_options
def submit(remote: Remote, operation: str, data: str | None, key: str | None, wait: bool, timeout: str | None) -> None:
    """Start an operation: POST to URL (whole, or a path of the server such as /reports/sales). Prints its id."""
    from ..client import Client

    value = _input(data)
    with Client(**remote.options(operation)) as client:
        accepted = client.submit(operation, value, idempotency_key=key)
        _begun(remote, client, accepted, wait, timeout)


@click.command()
@click.argument("id", metavar="ID", shell_complete=complete_id)
@click.option("--wait", is_flag=True, help="Follow the new operation to its end and print its result.")
@click.option("--timeout", metavar="DURATION", help="With --wait: stop after this time, such as 90s; exit code 9.")
@remote_options
def retry(remote: Remote, id: str, wait: bool, timeout: str | None) -> None:
    """Do again what failed or was cancelled, as a new operation. Prints its id."""
    from ..client import Client

    with Client(**remote.options(id)) as client:
        _begun(remote, client, client.operation(operation_id(id)).retry(), wait, timeout)


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=complete_id)
@click.option("--reason", help="Why; everybody who watches it reads that.")
@remote_options
def cancel(remote: Remote, ids: tuple[str, ...], reason: str | None) -> None:
    """Cancel operations, and wait until they are."""
    from ..client import Client

    for id in ids:
        with Client(**remote.options(id)) as client:
            state = client.operation(operation_id(id)).cancel(reason)
        stopped = "" if state.work_stopped is not False else "; its function had not stopped yet"
        click.echo(as_json(state.document) if remote.json else f"{clean(state.operation_id)} is CANCELLED{stopped}")


def _input(data: str | None) -> msgspec.Raw | None:
    """The JSON as it was given; what it is has to be JSON, and where it is not is said before anything is sent."""
    if data is None:
        return None
    if data == "-":
        text = sys.stdin.buffer.read()
    elif data.startswith("@"):
        text = Path(data[1:]).read_bytes()
    else:
        text = data.encode("utf-8", "surrogateescape")
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise click.BadParameter(f"no JSON: {clean(error)}", param_hint="--data") from None
    return msgspec.Raw(text)


def _begun(remote: Remote, client: Client, operation: Operation, wait: bool, timeout: str | None) -> None:
    """Say which operation it is, or follow it."""
    state = operation.state
    url = client.conversation.site.url
    named = operation.id if remote.url == url or remote.base("") == url else operation.url
    if not wait:
        click.echo(as_json(state.document if state else {}) if remote.json else clean(operation.id))
        if is_terminal() and not remote.json:
            say(f"  To follow it: accepted watch {clean(named)}")
        return
    if not remote.json:
        say(f"{clean(operation.id)} is accepted.")
    (end,) = follow(remote, [named], timeout=timeout, patience="5m", lines=_silence if remote.json else say)
    _told(remote, client.operation(operation.url), end)
    raise SystemExit(code([end]))


def _silence(line: str) -> None:
    """With --json and --wait the end is the answer, and one document."""


def _told(remote: Remote, operation: Operation, end: State) -> None:
    """How it ended; its value is the output, everything else is said beside it."""
    if remote.json:
        click.echo(as_json(end.document))
        return
    for warning in end.warnings:
        say(f"Warning: {clean(warning.code)}: {clean(warning.message)}")
    if not end.succeeded:
        error = end.error or {}
        why = error.get("detail") or error.get("title") or end.reason or ""
        say(f"{clean(operation.id)} {status(end.status)}{': ' if why else ''}{clean(why)}")
        if error.get("retryable"):
            after = error.get("retryAfter")
            later = f" (it starts after {after:g} s)" if isinstance(after, int | float) else ""
            say(f"  To do it again: accepted retry {clean(operation.id)}{later}")
    elif "mediaType" in (end.result or {}):
        say(f"Its result is a file: accepted download {clean(operation.id)}")
    else:
        click.echo(plain_json(operation.result(bytes)))
