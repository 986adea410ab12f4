"""Running checks: many at once, each with a caller and a journal of its own, none for longer than its patience."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import httpx2

from . import checks
from .check import CHECKS, SECTIONS, Check, Level
from .exchange import Broken, Caller, Journal
from .manifest import Auth, Feature, Manifest, Tokens
from .receiving import Receiver
from .report import Outcome, Report, Result, why_left_out
from .trial import Trial

AT_ONCE = 12
_SLOWEST = (Feature.EXPIRY, Feature.WEBHOOKS)  # what waits long begins first
assert checks.__all__  # importing them has registered them

Told = Callable[[Result], None]


class Unreachable(Exception):
    """There is no server at the URL."""


def chosen(level: Level = Level.FULL, sections: Sequence[str] = (), ids: Sequence[str] = ()) -> list[Check]:
    """The checks of a level and those below; of these sections or with these ids only, if there are any.

    Raises LookupError for a section or id that there is not.
    """
    if unknown := [each for each in sections if each not in SECTIONS]:
        raise LookupError(f"there is no section {unknown[0]}: they are {', '.join(SECTIONS)}")
    if unknown := [each for each in ids if each not in CHECKS]:
        raise LookupError(f"there is no check {unknown[0]}")
    order = [*SECTIONS]
    found = [each for each in CHECKS.values() if each.level.height <= level.height or each.id in ids]
    if sections or ids:
        found = [each for each in found if each.group in sections or each.id in ids]
    return sorted(found, key=lambda each: order.index(each.group))


async def verify(
    manifest: Manifest,
    url: str,
    checks: Sequence[Check],
    *,
    tokens: Tokens = Tokens(),  # noqa: B008
    told: Told = lambda result: None,
    at_once: int = AT_ONCE,
) -> Report:
    """Hold the server at `url` against these checks; `told` hears of each result as it comes.

    Raises `Unreachable`.
    """
    began = time.monotonic()
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=at_once * 2, keepalive_expiry=2)
    timeout = httpx2.Timeout(manifest.patience, connect=10.0)
    room = asyncio.Semaphore(at_once)
    async with (
        httpx2.AsyncClient(limits=limits, timeout=timeout, trust_env=False, follow_redirects=False) as http,
        Receiver(manifest.webhooks) as receiver,
    ):
        await _knock(http, url)

        async def run(check: Check) -> Result:
            async with room:
                result = await _run(check, manifest, url, http, receiver, tokens)
            told(result)
            return result

        slowest_first = sorted(checks, key=lambda check: not set(check.needs) & {*_SLOWEST})
        results = await asyncio.gather(*map(run, slowest_first))
    places = {check.id: place for place, check in enumerate(checks)}
    ordered = tuple(sorted(results, key=lambda result: places[result.check.id]))
    return Report(manifest.name or url, ordered, time.monotonic() - began)


async def _knock(http: httpx2.AsyncClient, url: str) -> None:
    try:
        await http.get(url)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise Unreachable(f"nobody answers at {url}: {type(error).__name__}") from None


async def _run(
    check: Check, manifest: Manifest, url: str, http: httpx2.AsyncClient, receiver: Receiver, tokens: Tokens
) -> Result:
    if why := why_left_out(check, manifest):
        return Result(check=check, outcome=Outcome.LEFT_OUT, complaint=why)
    journal = Journal([tokens.own, tokens.other])
    callers = [Caller(http, url, journal, _headers(manifest.auth, token)) for token in (tokens.own, tokens.other, "")]
    trial = Trial(manifest, receiver, callers[0], other=callers[1], stranger=callers[2])
    began = time.monotonic()
    complaint = await _complaint(check, trial)
    return Result(
        check=check,
        outcome=Outcome.FAILED if complaint else Outcome.PASSED,
        complaint=complaint,
        evidence=journal.text if complaint else "",
        took=time.monotonic() - began,
    )


async def _complaint(check: Check, trial: Trial) -> str:
    """What is wrong; empty if nothing is."""
    patience = trial.manifest.patience
    try:
        async with asyncio.timeout(patience):
            await check.function(trial)
    except Broken as broken:
        return str(broken)
    except TimeoutError:
        return f"it came to no end within {patience:g} s"
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return f"an answer could not be read: {type(error).__name__}: {error}"  # of a shape that no check thought of
    finally:
        await trial.close()
    return ""


def _headers(auth: Auth | None, token: str) -> dict[str, str]:
    auth = auth or Auth()
    return {auth.header.lower(): f"{auth.scheme} {token}".strip()} if token else {}
