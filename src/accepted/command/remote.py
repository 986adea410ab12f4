"""What the commands that speak to a server share: which server, who asks, what errors mean, and how they end.

| exit code | |
|---|---|
| 0 | done; the operation COMPLETED |
| 1 | something that is none of the others |
| 2 | bad usage |
| 3 | FAILED |
| 4 | CANCELLED |
| 5 | COMPLETED_WITH_ERRORS |
| 6 | there is no such operation, or it has expired |
| 7 | refused: not allowed, not possible in its state, or the input does not fit |
| 8 | no answer, or none that helps |
| 9 | --timeout is over |
| 130 | Ctrl-C |
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import click

from .terminal import as_json, clean, say, span

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ..client import ClientError

DEFAULT_URL = "http://127.0.0.1:8000"
_ID = re.compile(r"[\w-]+", re.ASCII)  # what a server may put into a shell
SOON = 3.0  # seconds for which a command tries to reach a server at all
PATIENCE = 300.0  # and for which one that has reached it goes on while nothing answers
ENDS = {"COMPLETED": 0, "FAILED": 3, "CANCELLED": 4, "COMPLETED_WITH_ERRORS": 5}


class Remote(NamedTuple):
    """Where a command goes: the server, the credential, and whether it answers a program."""

    url: str | None
    token: str | None
    json: bool

    def base(self, named: str) -> str:
        """The server of what was named: a whole URL says it itself."""
        if "://" not in named:
            return self.url or DEFAULT_URL
        parts = urlsplit(named)
        mount = parts.path.partition("/operations/")[0] if "/operations/" in parts.path else ""
        return f"{parts.scheme}://{parts.netloc}{mount}"

    def credential(self, base: str) -> str | None:
        """The token of the environment belongs to the server of the environment, and goes to no other."""
        own = os.environ.get("ACCEPTED_URL")
        from_environment = self.token is not None and self.token == os.environ.get("ACCEPTED_TOKEN")
        if own and from_environment and urlsplit(own).netloc != urlsplit(base).netloc:
            say(f"ACCEPTED_TOKEN is not sent to {clean(base)}: it is for {clean(own)}. Give --token if it should be.")
            return None
        return self.token

    def options(self, named: str, patience: float = SOON) -> dict[str, Any]:
        """What a client of the server of `named` is made with. Raises `click.UsageError`."""
        base = self.base(named)
        if urlsplit(base).scheme not in {"http", "https"} or not urlsplit(base).hostname:
            raise click.UsageError(f"{clean(base)!r} is no http or https URL.")
        return {"url": base, "token": self.credential(base), "patience": patience}


def remote_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every such command; it gets them as `remote`, and what it raises ends it in good order."""

    @click.option("--url", envvar="ACCEPTED_URL", metavar="URL", help="The server; else ACCEPTED_URL.")
    @click.option("--token", envvar="ACCEPTED_TOKEN", metavar="TOKEN", help="Who asks; better as ACCEPTED_TOKEN.")
    @click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document a line.")
    @functools.wraps(command)
    def wrapped(url: str | None, token: str | None, as_json: bool, **given: Any) -> None:
        from ..client import ClientError

        try:
            command(remote=Remote(url, token, as_json), **given)
        except ClientError as error:
            raise SystemExit(tell(error, json=as_json)) from None
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        except BrokenPipeError:
            raise  # whoever read has gone, which click takes quietly
        except (ValueError, OSError) as error:
            say(f"Error: {clean(error)}")
            raise SystemExit(1) from None

    return wrapped


def operation_id(named: str) -> str:
    """An operation as people name it: `op-...`, its `job-...`, or its status URL."""
    return "op-" + named[4:] if named.startswith("job-") else named


def complete_id(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For shells: the newest operations of the server, if it is there."""
    from click.shell_completion import CompletionItem

    from ..client import Client, ClientError

    given = Remote(context.params.get("url"), context.params.get("token"), True)
    try:
        with Client(**given.options("", patience=0.5), timeout=1) as client:
            jobs = list(client.jobs(limit=50))
    except (ClientError, ValueError, click.UsageError):
        return []
    return [
        CompletionItem(job.operation_id, help=clean(f"{job.type} {job.status}"))
        for job in jobs
        if job.operation_id.startswith(incomplete) and _ID.fullmatch(job.operation_id)
    ]


# --- errors


def tell(error: ClientError, *, json: bool) -> int:
    """Say what went wrong and what to do next; gives the exit code."""
    code, advice = _advice(error)
    problem = getattr(error, "problem", None)
    if json:
        document = problem.document if problem is not None and problem.document else {"title": str(error)}
        say(as_json({"error": document, "exitCode": code}))
        return code
    say(f"Error: {clean(error)}")
    for line in _places(problem):
        say(line)
    if advice:
        say(advice)
    return code


def _places(problem: Any) -> Iterator[str]:
    for each in problem.errors if problem is not None else ():
        where = each.get("pointer") or each.get("parameter") or "the body"
        yield f"  {clean(where)}: {clean(each.get('detail', ''))}"


_ADVICE: dict[str, tuple[int, str]] = {
    "TimedOut": (9, "The operation goes on. Wait for it again with accepted watch."),
    "OperationFailed": (3, ""),
    "OperationCancelled": (4, ""),
    "OperationNotFound": (6, "accepted list shows the operations that you may see."),
    "OperationExpired": (6, "It ended, and its result was kept for as long as was promised. Submit it again."),
    "NotFound": (6, "Is the URL right? /openapi.json of the server lists its paths."),
    "Unauthorized": (7, "Say who you are: ACCEPTED_TOKEN, or --token."),
    "Forbidden": (7, "Whoever you are there may not do this. Another --token may."),
    "RateLimited": (8, "Try again later."),
    "OperationNotRetryable": (7, "accepted get says how it ended."),
    "OperationNotCancellable": (7, "accepted get says how it ended."),
    "ServerTrouble": (8, "The server has a problem of its own. Try again later; accepted doctor may say what it is."),
    "Refused": (7, ""),
    "Unreachable": (8, "Is it running (accepted serve module:app)? Name another server by --url or ACCEPTED_URL."),
    "UnexpectedAnswer": (8, "Is there a server of operations at this URL? Name another by --url or ACCEPTED_URL."),
}


def _advice(error: ClientError) -> tuple[int, str]:
    """The exit code and what to do next, for the error's own class or the nearest above it."""
    found = (_ADVICE[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _ADVICE)
    code, advice = next(found, (1, ""))
    after = getattr(error, "retry_after", None)
    return code, advice if not after else f"Try again in {span(after)}."
