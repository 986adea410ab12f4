"""Section 3: the status endpoint, its etiquette, and what progress may do."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from ..check import CORE, FULL, check
from ..exchange import Answer, expect, seconds
from ..manifest import Feature
from ..trial import (
    STATUSES,
    TERMINAL,
    UNKNOWN,
    Operation,
    Trial,
    check_problem,
    moment,
    status_of,
    with_query,
)

BURST = 60  # polls at once: far more than anybody who is polite


@check("poll.document", "A poll tells operationId, a known status, and createdAt.", level=CORE, uses=["slow"])
async def document(trial: Trial) -> None:
    operation = await trial.begin(trial.long)
    answer = await trial.poll(operation)
    found = answer.document
    expect(found.get("operationId") == operation.id, f"operationId is {found.get('operationId')}, not {operation.id}")
    expect(found.get("status") in STATUSES, f"the status is {found.get('status')!r}")
    created, first = moment(found, "createdAt"), moment(operation.answer.document, "createdAt")
    expect(created == first, f"createdAt was {first}, and is {created}")


@check(
    "poll.running", "While it runs, a poll is a 200 that says PROCESSING, with startedAt.", level=CORE, uses=["slow"]
)
async def running(trial: Trial) -> None:
    operation = await trial.begin(trial.long)
    answer = await trial.until(operation, "PROCESSING")
    expect(status_of(answer) == "PROCESSING", f"it was never seen as PROCESSING, only {status_of(answer)}")
    expect(answer.status == 200, f"a poll of a running operation answered {answer.status}")
    moment(answer.document, "startedAt")


@check(
    "poll.retry-after",
    "While it has not ended, a poll says when to come again: Retry-After.",
    level=CORE,
    uses=["slow"],
)
async def retry_after(trial: Trial) -> None:
    operation = await trial.begin(trial.long)
    answer = await trial.poll(operation)
    text = answer.header("retry-after")
    expect(text.isdigit() and int(text) > 0, f"Retry-After is {text!r}")


@check("poll.not-cached", "What a poll says may not be kept by caches.", level=CORE, uses=["slow"])
async def not_cached(trial: Trial) -> None:
    answer = await trial.poll(await trial.begin(trial.long))
    control = answer.header("cache-control")
    expect(re.search(r"no-store|no-cache|max-age=0", control), f"Cache-Control is {control!r}")


@check("poll.unknown", "An unknown id is a 404 with a problem.", level=CORE)
async def unknown(trial: Trial) -> None:
    operation = await trial.begin("quick")
    nowhere = operation.url.replace(operation.id, UNKNOWN) if operation.id else f"{operation.url}-not"
    check_problem(await trial.get(nowhere), 404)


@check(
    "poll.order",
    "Statuses come in order: never back from a terminal one, never to an unknown one.",
    level=CORE,
    uses=["slow"],
)
async def order(trial: Trial) -> None:
    operation = await trial.begin("slow")
    seen = await samples(trial, operation)
    statuses = [status_of(answer) for answer in [operation.answer, *seen, await trial.poll(operation)]]
    ranks = [0 if each == "PENDING" else 1 if each == "PROCESSING" else 2 for each in statuses]
    expect(set(statuses) <= STATUSES, f"an unknown status: {sorted(set(statuses) - STATUSES)}")
    expect(ranks == sorted(ranks), f"statuses went {' > '.join(dict.fromkeys(statuses))}")


@check("poll.head", "HEAD answers as GET, without a body.", level=FULL)
async def head(trial: Trial) -> None:
    operation, _ = await trial.ran("quick")
    url = with_query(operation.url, "redirect=false")
    answer, shown = await trial.ask("HEAD", url), await trial.get(url)
    expect(answer.status == shown.status, f"HEAD answered {answer.status}, GET {shown.status}")
    expect(not answer.body, "HEAD has a body")
    expect(answer.header("etag") == shown.header("etag"), "HEAD and GET have another ETag")


@check("poll.etag", "If-None-Match with the last ETag is a 304 without a body.", level=FULL, needs=[Feature.ETAG])
async def etag(trial: Trial) -> None:
    operation, _ = await trial.ran("quick")
    url = with_query(operation.url, "redirect=false")
    tag = (await trial.get(url)).header("etag")
    expect(tag, "a poll has no ETag")
    again = await trial.get(url, if_none_match=tag)
    expect(again.status == 304, f"If-None-Match with the present ETag answered {again.status}, not 304")
    expect(not again.body, "the 304 has a body")
    expect((await trial.get(url, if_none_match='"another"')).status == 200, "another ETag got a 304 too")


@check("poll.etag-changes", "The ETag changes with the document.", level=FULL, uses=["slow"], needs=[Feature.ETAG])
async def etag_changes(trial: Trial) -> None:
    operation = await trial.begin(trial.long)
    early = await trial.until(operation, "PROCESSING")
    await trial.cancel(operation)
    late = await trial.ended(operation)
    expect(early.header("etag") != late.header("etag"), f"running and ended it has one ETag, {early.header('etag')}")


@check(
    "poll.wait",
    "Prefer: wait holds a poll until something changes.",
    level=FULL,
    uses=["slow"],
    needs=[Feature.PREFER, Feature.ETAG],
)
async def wait(trial: Trial) -> None:
    operation = await trial.begin(trial.long)
    before = await trial.until(operation, "PROCESSING")
    while status_of(before) not in TERMINAL:
        answer = await trial.poll(operation, prefer="wait=10", if_none_match=before.header("etag"))
        expect(answer.status != 304 or answer.took > 5, f"the poll did not wait: 304 after {answer.took:.2f} s")
        if answer.status == 304:
            continue
        expect(answer.header("etag") != before.header("etag"), "the answer came though nothing had changed")
        return


@check("poll.interval", "pollInterval recommends no less than its minimum.", level=FULL, uses=["slow"])
async def interval(trial: Trial) -> None:
    answer = await trial.poll(await trial.begin(trial.long))
    found = answer.document.get("pollInterval")
    expect(isinstance(found, dict), "there is no pollInterval")
    least, best = (found or {}).get("minimum"), (found or {}).get("recommended")
    fits = isinstance(least, int | float) and isinstance(best, int | float) and 0 < least <= best
    expect(fits, f"recommended is {best}, the minimum {least}")


@check("poll.absent", "Members that do not apply are absent, not null.", level=FULL, uses=["slow"])
async def absent(trial: Trial) -> None:
    operation = await trial.begin(trial.long)
    for found in (operation.answer.document, (await trial.poll(operation)).document):
        nulls = [name for name, value in found.items() if value is None]
        expect(not nulls, f"null: {', '.join(nulls)}")


@check(
    "poll.too-fast",
    "Who polls much too fast gets a 429 with Retry-After, and is heard again after it.",
    level=FULL,
    uses=["slow"],
    needs=[Feature.POLL_LIMIT],
)
async def too_fast(trial: Trial) -> None:
    operation = await trial.begin(trial.long)
    polls = (trial.ask("GET", operation.url, patient=False) for _ in range(BURST))
    refused = [answer for answer in await asyncio.gather(*polls) if answer.status != 200]
    expect(refused, f"{BURST} polls at once were all answered")
    for answer in refused:
        check_problem(answer, 429, slug="polling-too-fast")
        expect(answer.header("retry-after").isdigit(), f"Retry-After is {answer.header('retry-after')!r}")
    await asyncio.sleep(max(seconds(answer, 1.0) for answer in refused))
    later = await trial.ask("GET", operation.url, patient=False)
    expect(later.status < 400, f"after Retry-After a poll answered {later.status}")


# --- progress


async def samples(trial: Trial, operation: Operation) -> list[Answer]:
    """What polls say from now to the end, about ten times a second for a while and then more slowly."""
    seen: list[Answer] = []
    began = time.monotonic()
    while True:
        answer = await trial.poll(operation)
        expect(answer.status < 400, f"a poll answered {answer.status}")
        seen.append(answer)
        if status_of(answer) in TERMINAL:
            return seen
        took = time.monotonic() - began
        expect(took < trial.manifest.patience, "it does not end")
        await asyncio.sleep(max(0.12, took / 8))


async def reported(trial: Trial) -> list[tuple[str, Any, dict[str, Any]]]:
    """(status, attempt, progress) wherever a poll of the slow operation tells progress."""
    seen = [answer.document for answer in await samples(trial, await trial.begin("slow")) if answer.body]
    return [
        (str(d.get("status")), d.get("attempt"), d["progress"]) for d in seen if isinstance(d.get("progress"), dict)
    ]


def percentages(progress: list[tuple[str, Any, dict[str, Any]]]) -> list[tuple[str, Any, float]]:
    """(status, attempt, percentage), where there is one."""
    return [(status, attempt, each["percentage"]) for status, attempt, each in progress if "percentage" in each]


PROGRESS = [Feature.PROGRESS]


@check(
    "progress.told",
    "A running operation tells how far it is, and goes on telling.",
    level=CORE,
    uses=["slow"],
    needs=PROGRESS,
)
async def told(trial: Trial) -> None:
    progress = await reported(trial)
    running = [each for status, _, each in progress if status == "PROCESSING"]
    expect(running, "no poll of the running operation told progress")
    values = {(each.get("percentage"), each.get("current")) for each in running}
    expect(len(values) > 1, f"progress stood still at {running[0]}")


@check(
    "progress.range",
    "A percentage is a number from 0 to 100; current is no more than total.",
    level=CORE,
    uses=["slow"],
    needs=PROGRESS,
)
async def in_range(trial: Trial) -> None:
    for _, _, each in await reported(trial):
        percentage = each.get("percentage", 0)
        expect(isinstance(percentage, int | float) and 0 <= percentage <= 100, f"the percentage is {percentage!r}")
        if "current" in each and "total" in each:
            expect(0 <= each["current"] <= each["total"], f"{each['current']} of {each['total']}")


@check("progress.monotone", "A percentage never falls within an attempt.", level=CORE, uses=["slow"], needs=PROGRESS)
async def monotone(trial: Trial) -> None:
    seen: dict[Any, float] = {}
    for _, attempt, percentage in percentages(await reported(trial)):
        before = seen.get(attempt, 0)
        expect(percentage >= before, f"the percentage fell from {before} to {percentage}")
        seen[attempt] = percentage


@check(
    "progress.hundred",
    "100 percent means completed: not before, and not less afterwards.",
    level=FULL,
    uses=["slow"],
    needs=PROGRESS,
)
async def hundred(trial: Trial) -> None:
    for status, _, percentage in percentages(await reported(trial)):
        done = status in {"COMPLETED", "COMPLETED_WITH_ERRORS"}
        expect((percentage == 100) == done, f"{percentage} percent while {status}")


@check(
    "progress.phases",
    "Phases are told from the start, in order, each PENDING, IN_PROGRESS or COMPLETED.",
    level=FULL,
    uses=["slow"],
    needs=PROGRESS,
)
async def phases(trial: Trial) -> None:
    wanted = list(trial.use("slow").phases)
    if not wanted:
        return
    seen = [each["phases"] for _, _, each in await reported(trial) if "phases" in each]
    expect(seen, "no poll told phases")
    ranks = {"PENDING": 0, "IN_PROGRESS": 1, "COMPLETED": 2}
    before = [0] * len(wanted)
    for told in seen:
        names = [phase.get("name") for phase in told]
        expect(names == wanted, f"the phases are {names}, not {wanted}")
        statuses = [phase.get("status") for phase in told]
        expect(set(statuses) <= ranks.keys(), f"phases are {statuses}")
        now = [ranks[status] for status in statuses]
        expect(all(b <= n for b, n in zip(before, now, strict=True)), f"a phase went back: {statuses}")
        expect(now == sorted(now, reverse=True), f"a later phase is ahead of an earlier one: {statuses}")
        before = now
