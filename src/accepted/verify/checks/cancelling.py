"""Sections 5, 6 and 10: cancel, retry, expiry."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from ..check import CORE, FULL, check
from ..exchange import Answer, expect
from ..manifest import Feature
from ..trial import UNKNOWN, Operation, Trial, check_problem, moment, status_of

REASON = "the conformance kit asks for it"
PROMPT = 5.0  # seconds that a cancel may take


async def cancelled(trial: Trial, reason: str | None = REASON) -> tuple[Operation, Answer]:
    """A running operation, and the answer to its cancellation."""
    operation = await trial.begin(trial.long)
    await trial.until(operation, "PROCESSING")
    return operation, await trial.cancel(operation, reason)


@check(
    "cancel.running",
    "Cancelling a running operation answers 200 CANCELLED, with cancelledAt and reason.",
    level=CORE,
    uses=["slow"],
)
async def running(trial: Trial) -> None:
    operation, answer = await cancelled(trial)
    expect(answer.status == 200, f"the cancel was answered {answer.status}, not 200")
    found = answer.document
    expect(found.get("operationId") == operation.id, f"operationId is {found.get('operationId')!r}")
    expect(found.get("status") == "CANCELLED", f"the status is {found.get('status')!r}")
    expect(found.get("reason") == REASON, f"the reason is {found.get('reason')!r}")
    moment(found, "cancelledAt")


@check("cancel.prompt", "A cancel is answered within 5 seconds.", level=CORE, uses=["slow"])
async def prompt(trial: Trial) -> None:
    _, answer = await cancelled(trial)
    expect(answer.took < PROMPT, f"the cancel took {answer.took:.1f} s")


@check("cancel.final", "After that the operation is CANCELLED, says why, and stays so.", level=CORE, uses=["slow"])
async def final(trial: Trial) -> None:
    operation, _ = await cancelled(trial)
    answer = await trial.poll(operation)
    expect(answer.status == 200, f"a poll of it answered {answer.status}, not 200")
    expect(status_of(answer) == "CANCELLED", f"it is {status_of(answer)}")
    expect(answer.document.get("reason") == REASON, f"the reason is {answer.document.get('reason')!r}")
    moment(answer.document, "cancelledAt")
    await asyncio.sleep(0.3)
    later = await trial.poll(operation)
    expect(later.body == answer.body, "the cancelled operation changed")


@check("cancel.repeat", "Cancelling again gives the same 200.", level=CORE, uses=["slow"])
async def repeat(trial: Trial) -> None:
    operation, first = await cancelled(trial)
    second = await trial.cancel(operation, "once more")
    expect(second.status == 200, f"the second cancel was answered {second.status}, not 200")
    expect(second.document == first.document, "the second cancel tells something else than the first")


@check("cancel.finished", "Cancelling what has COMPLETED is a 409.", level=CORE)
async def finished(trial: Trial) -> None:
    operation, _ = await trial.ran("quick", "COMPLETED")
    check_problem(await trial.cancel(operation, REASON), 409)
    expect(status_of(await trial.poll(operation)) == "COMPLETED", "the refused cancel changed it")


@check("cancel.failed", "Cancelling what has FAILED is a 409 operation-not-cancellable.", level=FULL, uses=["failing"])
async def failed(trial: Trial) -> None:
    operation, _ = await trial.ran("failing", "FAILED")
    check_problem(await trial.cancel(operation, REASON), 409, slug="operation-not-cancellable")


@check("cancel.unknown", "Cancelling what does not exist is a 404.", level=CORE)
async def unknown(trial: Trial) -> None:
    operation = await trial.begin("quick")
    link = operation.link("cancel", "/cancel").replace(operation.id or "/cancel", UNKNOWN)
    check_problem(await trial.ask("POST", link), 404)


@check("cancel.no-body", "The body of a cancel is optional.", level=FULL, uses=["slow"])
async def no_body(trial: Trial) -> None:
    _, answer = await cancelled(trial, reason=None)
    expect(answer.status == 200, f"a cancel without a body was answered {answer.status}")
    expect(answer.document.get("reason") is None, "a reason that nobody gave")


@check("cancel.work-stopped", "It says whether the work has stopped: workStopped.", level=FULL, uses=["slow"])
async def work_stopped(trial: Trial) -> None:
    _, answer = await cancelled(trial)
    told = answer.document.get("workStopped")
    expect(isinstance(told, bool), f"workStopped is {told!r}")


@check(
    "cancel.pending",
    "A cancelled PENDING operation is CANCELLED at once and never begins.",
    level=FULL,
    uses=["queued"],
)
async def pending(trial: Trial) -> None:
    first = await trial.begin("queued")
    await trial.until(first, "PROCESSING")
    operation = await trial.begin("queued")
    before = status_of(await trial.poll(operation))
    expect(before == "PENDING", f"the second of its kind is {before}, not PENDING")
    answer = await trial.cancel(operation, REASON)
    expect(answer.status == 200, f"the cancel was answered {answer.status}, not 200")
    expect(answer.document.get("status") == "CANCELLED", f"the status is {answer.document.get('status')!r}")
    await trial.cancel(first)
    await asyncio.sleep(0.3)
    found = (await trial.poll(operation)).document
    expect(found.get("status") == "CANCELLED", f"it is {found.get('status')} after its cancellation")
    expect("startedAt" not in found, "it began after it had been cancelled")


# --- retry

RETRY = [Feature.RETRY]


async def retried(trial: Trial, operation: Operation) -> Answer:
    """The answer to a retry."""
    return await trial.ask("POST", operation.link("retry", "/retry"))


@check(
    "retry.failed",
    "Retrying what FAILED and is retryable gives 202 and a new operation, which names the old one.",
    level=FULL,
    uses=["retryable"],
    needs=RETRY,
)
async def retry(trial: Trial) -> None:
    operation, _ = await trial.ran("retryable", "FAILED")
    answer = await retried(trial, operation)
    expect(answer.status == 202, f"the retry was answered {answer.status}, not 202")
    new = trial.found(answer)
    expect(new.id != operation.id, "the retry gave the old operation")
    said = answer.document.get("retryOf")
    expect(said == operation.id, f"retryOf is {said!r}, not {operation.id!r}")
    expect(answer.header("location"), "the 202 has no Location")


@check(
    "retry.link",
    "links.retry is there where a retry is possible, and only there.",
    level=FULL,
    uses=["retryable", "failing"],
    needs=RETRY,
)
async def link(trial: Trial) -> None:
    _, possible = await trial.ran("retryable", "FAILED")
    expect("retry" in (possible.get("links") or {}), "a retryable failure has no links.retry")
    _, impossible = await trial.ran("failing", "FAILED")
    expect("retry" not in (impossible.get("links") or {}), "a failure that is not retryable has links.retry")


@check(
    "retry.repeat",
    "Retrying again gives the same new operation; the old one says which: links.retriedBy.",
    level=FULL,
    uses=["retryable"],
    needs=RETRY,
)
async def again(trial: Trial) -> None:
    operation, _ = await trial.ran("retryable", "FAILED")
    first, second = await retried(trial, operation), await retried(trial, operation)
    ids = [str(each.document.get("operationId")) for each in (first, second)]
    expect(ids[0] == ids[1], f"two retries gave {ids[0]} and {ids[1]}")
    links = (await trial.poll(operation)).document.get("links") or {}
    expect(ids[0] in str(links.get("retriedBy")), f"links.retriedBy is {links.get('retriedBy')!r}")


@check(
    "retry.refused",
    "Retrying what COMPLETED, or failed for good, is a 409 operation-not-retryable.",
    level=FULL,
    uses=["quick", "failing"],
    needs=RETRY,
)
async def refused(trial: Trial) -> None:
    for role in ("quick", "failing"):
        operation, _ = await trial.ran(role)
        check_problem(await retried(trial, operation), 409, slug="operation-not-retryable")


@check("retry.cancelled", "What was CANCELLED may be retried.", level=FULL, uses=["slow"], needs=RETRY)
async def retry_cancelled(trial: Trial) -> None:
    operation, _ = await cancelled(trial)
    answer = await retried(trial, operation)
    expect(answer.status == 202, f"the retry was answered {answer.status}, not 202")
    await trial.cancel(trial.found(answer))


# --- expiry


@check(
    "expiry.gone",
    "After expiresAt the operation is a 410 operation-expired with expiredAt, on all of its paths.",
    level=FULL,
    uses=["expiring"],
    needs=[Feature.EXPIRY],
)
async def gone(trial: Trial) -> None:
    operation, found = await trial.ran("expiring")
    wait = (moment(found, "expiresAt") - datetime.now(UTC)).total_seconds()
    within = trial.use("expiring").within
    expect(wait < within, f"it is kept for {wait:.0f} s more, and the manifest said {within:g}")
    await asyncio.sleep(max(0.0, wait))
    deadline = time.monotonic() + within
    answer = await trial.poll(operation)
    while answer.status in {200, 303} and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        answer = await trial.poll(operation)
    problem = check_problem(answer, 410, slug="operation-expired")
    moment(problem, "expiredAt")
    paths = {"result": Feature.RESULT, "stream": Feature.STREAMS}
    for name, feature in paths.items():
        if feature not in trial.manifest.missing:
            other = await trial.get(f"{operation.url.partition('?')[0]}/{name}")
            expect(other.status == 410, f"its {name} answered {other.status}, not 410")


@check("expiry.kept", "Until expiresAt it is there.", level=FULL, uses=["expiring"], needs=[Feature.EXPIRY])
async def kept(trial: Trial) -> None:
    operation, found = await trial.ran("expiring")
    answer = await trial.poll(operation)
    early = datetime.now(UTC) < moment(found, "expiresAt")
    expect(answer.status in {200, 303} or not early, f"before expiresAt a poll answered {answer.status}")
