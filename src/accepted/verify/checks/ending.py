"""Sections 3 and 4: how an operation ends, and where its result is."""

from __future__ import annotations

from typing import Any

from ..check import CORE, FULL, check
from ..exchange import expect
from ..manifest import Feature
from ..trial import Trial, check_problem, moment, status_of, with_query

RESULT = [Feature.RESULT]


@check("completion.see-other", "A poll of a COMPLETED operation is 303 See Other to its result.", level=CORE)
async def see_other(trial: Trial) -> None:
    operation = await trial.begin("quick")
    answer = await trial.ended(operation)
    expect(answer.status == 303, f"a poll of the completed operation answered {answer.status}, not 303")
    expect(answer.header("location"), "the 303 has no Location")


@check(
    "completion.document", "The 303 tells the operation too: COMPLETED, completedAt, result with its url.", level=CORE
)
async def document(trial: Trial) -> None:
    operation = await trial.begin("quick")
    answer = await trial.ended(operation)
    found = answer.document
    expect(found.get("status") == "COMPLETED", f"the status is {found.get('status')!r}")
    expect(found.get("operationId") == operation.id, f"it is about {found.get('operationId')}, not {operation.id}")
    result = found.get("result")
    expect(isinstance(result, dict) and isinstance(result.get("url"), str), "result has no url")
    where = answer.header("location")
    if where and isinstance(result, dict):
        expect(trial.caller.url(where) == trial.caller.url(result["url"]), f"Location is {where}, not {result['url']}")
    took = moment(found, "completedAt") - moment(found, "createdAt")
    expect(took.total_seconds() >= 0, "completedAt lies before createdAt")


@check("completion.result", "The result can be fetched where the operation says.", level=CORE)
async def result(trial: Trial) -> None:
    operation = await trial.begin("quick")
    answer = await trial.ended(operation)
    where = answer.header("location") or result_of(answer.document).get("url", "")
    expect(where, "nothing says where the result is")
    found = await trial.get(where)
    expect(found.status == 200, f"GET on the result answered {found.status}")


@check("completion.stable", "An ended operation never changes: the same document, byte for byte.", level=CORE)
async def stable(trial: Trial) -> None:
    operation, _ = await trial.ran("quick")
    first, second = await trial.poll(operation), await trial.poll(operation)
    expect(first.body == second.body, "two polls after the end told two documents")
    expect(first.header("etag") == second.header("etag"), "two polls after the end had two ETags")


@check("completion.redirect-false", "?redirect=false tells the same document by 200.", level=FULL)
async def redirect_false(trial: Trial) -> None:
    operation = await trial.begin("quick")
    answer = await trial.ended(operation)
    plain = await trial.get(with_query(operation.url, "redirect=false"))
    expect(plain.status == 200, f"?redirect=false answered {plain.status}, not 200")
    expect(plain.document == answer.document, "?redirect=false tells another document than the 303")


@check("completion.value", "The result's own URL gives the value that the document tells.", level=FULL, needs=RESULT)
async def value(trial: Trial) -> None:
    operation, found = await trial.ran("quick", "COMPLETED")
    told = {name: each for name, each in result_of(found).items() if name not in {"url", "warnings"}}
    fetched = await trial.get(f"{operation.url.partition('?')[0]}/result")
    expect(fetched.status == 200, f"GET on the operation's result answered {fetched.status}")
    whole = fetched.json
    same = told == (whole if isinstance(whole, dict) else {"value": whole})
    expect(same, "the document tells another value than the result's URL")


@check(
    "completion.not-ready",
    "Before the end, the result is a 404 result-not-ready.",
    level=FULL,
    uses=["slow"],
    needs=RESULT,
)
async def not_ready(trial: Trial) -> None:
    operation = await trial.begin(trial.long)
    answer = await trial.get(f"{operation.url.partition('?')[0]}/result")
    check_problem(answer, 404, slug="result-not-ready")


@check("completion.expires", "An ended operation says until when it is kept: expiresAt.", level=FULL)
async def expires(trial: Trial) -> None:
    _, found = await trial.ran("quick")
    kept = moment(found, "expiresAt") - moment(found, "completedAt")
    expect(kept.total_seconds() > 0, "expiresAt does not lie after completedAt")


@check(
    "completion.ranges",
    "A file is served with its type, length and name, and in ranges.",
    level=FULL,
    uses=["file"],
    needs=[Feature.RANGES],
)
async def ranges(trial: Trial) -> None:
    _, found = await trial.ran("file", "COMPLETED")
    url = str(result_of(found).get("url", ""))
    whole = await trial.get(url)
    expect(whole.status == 200, f"GET on the file answered {whole.status}")
    expect(whole.media_type, "the file has no media type")
    expect(whole.header("content-length") == str(len(whole.body)), "Content-Length is not its length")
    part = await trial.get(url, range="bytes=1-3")
    expect(part.status == 206, f"a range was answered {part.status}, not 206")
    expect(part.body == whole.body[1:4], "the range has other bytes than the file")
    wanted = f"bytes 1-3/{len(whole.body)}"
    expect(part.header("content-range") == wanted, f"Content-Range is {part.header('content-range')!r}, not {wanted!r}")
    check_problem(await trial.get(url, range=f"bytes={len(whole.body)}-"), 416)


@check(
    "failure.document",
    "A FAILED operation is a 200 with failedAt and a problem as its error.",
    level=CORE,
    uses=["failing"],
)
async def failed(trial: Trial) -> None:
    operation = await trial.begin("failing")
    answer = await trial.ended(operation)
    expect(status_of(answer) == "FAILED", f"it ended {status_of(answer)}, not FAILED")
    expect(answer.status == 200, f"a poll of a failed operation answered {answer.status}, not 200")
    moment(answer.document, "failedAt")
    error = error_of(answer.document)
    for member in ("type", "title", "detail"):
        expect(isinstance(error.get(member), str) and error[member], f"the error has no {member}")
    expect("result" not in answer.document, "a failed operation has a result")


@check("failure.retryable", "The error says whether a retry may help: retryable.", level=FULL, uses=["failing"])
async def retryable(trial: Trial) -> None:
    _, found = await trial.ran("failing", "FAILED")
    told = error_of(found).get("retryable")
    expect(told is False, f"retryable is {told!r}, not false")


@check("failure.stable", "A failed operation never changes either.", level=CORE, uses=["failing"])
async def failed_stable(trial: Trial) -> None:
    operation, _ = await trial.ran("failing")
    first, second = await trial.poll(operation), await trial.poll(operation)
    expect(first.body == second.body, "two polls after the end told two documents")


@check("failure.no-internals", "The error shows no stack trace.", level=CORE, uses=["failing"])
async def no_internals(trial: Trial) -> None:
    operation, _ = await trial.ran("failing")
    text = (await trial.poll(operation)).body.decode("utf-8", "replace")
    for trace in ("Traceback (most recent call last)", "\\n    at ", "goroutine 1 ["):
        expect(trace not in text, "the error has a stack trace in it")


@check(
    "failure.no-result", "A failed operation's result is a 404 no-result.", level=FULL, uses=["failing"], needs=RESULT
)
async def no_result(trial: Trial) -> None:
    operation, _ = await trial.ran("failing")
    check_problem(await trial.get(f"{operation.url.partition('?')[0]}/result"), 404, slug="no-result")


@check(
    "partial.document",
    "COMPLETED_WITH_ERRORS is a 200 with completedAt, and a result with url and warnings.",
    level=FULL,
    uses=["partial"],
)
async def partial(trial: Trial) -> None:
    operation = await trial.begin("partial")
    answer = await trial.ended(operation)
    expect(status_of(answer) == "COMPLETED_WITH_ERRORS", f"it ended {status_of(answer)}, not COMPLETED_WITH_ERRORS")
    expect(answer.status == 200, f"a poll of it answered {answer.status}, not 200")
    moment(answer.document, "completedAt")
    warnings = result_of(answer.document).get("warnings")
    expect(isinstance(warnings, list) and warnings, "result has no warnings")
    for warning in warnings or ():
        fits = isinstance(warning, dict) and {"code", "message"} <= warning.keys()
        expect(fits, f"a warning without code and message: {warning}")


@check("partial.result", "Its result can be fetched.", level=FULL, uses=["partial"])
async def partial_result(trial: Trial) -> None:
    _, found = await trial.ran("partial", "COMPLETED_WITH_ERRORS")
    url = str(result_of(found).get("url", ""))
    expect(url, "result has no url")
    answer = await trial.get(url)
    expect(answer.status == 200, f"GET on the result answered {answer.status}")


def result_of(document: dict[str, Any]) -> dict[str, Any]:
    """`result` of a document. Raises `Broken`."""
    found = document.get("result")
    expect(isinstance(found, dict), "the document has no result")
    return dict(found or {})


def error_of(document: dict[str, Any]) -> dict[str, Any]:
    """`error` of a document. Raises `Broken`."""
    found = document.get("error")
    expect(isinstance(found, dict), "the document has no error")
    return dict(found or {})
