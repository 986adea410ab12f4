"""Section 9: the operator's view."""

from __future__ import annotations

from typing import Any

from ..check import FULL, check
from ..exchange import Answer, expect
from ..listening import listen
from ..manifest import Feature
from ..trial import STATUSES, Operation, Trial, check_problem, moment, status_of

JOBS = [Feature.JOBS]
LOGS = [Feature.JOBS, Feature.LOGS]


def job_url(trial: Trial, operation: Operation) -> str:
    """Where the job of an operation is: its link, else the contract's form of its id."""
    number = operation.id.partition("-")[2] or operation.id
    return operation.links.get("job") or f"{trial.manifest.paths.jobs}/job-{number}"


def page_of(answer: Answer) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """(data, pagination) of a page. Raises `Broken`."""
    expect(answer.status == 200, f"a page was answered {answer.status}")
    found = answer.document
    data, pagination = found.get("data"), found.get("pagination")
    expect(isinstance(data, list), "there is no data")
    expect(isinstance(pagination, dict), "there is no pagination")
    return [dict(each) for each in data or ()], dict(pagination or {})


async def listed(trial: Trial, query: str = "") -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A page of jobs."""
    return page_of(await trial.get(f"{trial.manifest.paths.jobs}{query}"))


@check("jobs.one", "A job tells jobId, operationId, type, status, timestamps and links.", level=FULL, needs=JOBS)
async def one(trial: Trial) -> None:
    operation, _ = await trial.ran("quick")
    answer = await trial.get(job_url(trial, operation))
    expect(answer.status == 200, f"GET on the job answered {answer.status}")
    job = answer.document
    for member in ("jobId", "type", "status"):
        expect(isinstance(job.get(member), str) and job[member], f"{member} is missing")
    expect(job.get("operationId") == operation.id, f"operationId is {job.get('operationId')!r}")
    times = job.get("timestamps")
    expect(isinstance(times, dict), "timestamps is missing")
    began, ended = moment(times or {}, "submitted"), moment(times or {}, "completed")
    expect(began <= ended, "it was completed before it was submitted")
    expect("self" in (job.get("links") or {}), "links.self is missing")


@check("jobs.list", "The list is newest first, in pages, with a total.", level=FULL, needs=JOBS)
async def newest_first(trial: Trial) -> None:
    operations = [(await trial.ran("quick"))[0] for _ in range(3)]
    data, pagination = await listed(trial, "?limit=50")
    for member in ("page", "size", "totalElements"):
        expect(isinstance(pagination.get(member), int), f"pagination.{member} is {pagination.get(member)!r}")
    ids = [str(job.get("jobId")) for job in data]
    wanted = [(await trial.get(job_url(trial, each))).document["jobId"] for each in operations]
    places = [ids.index(each) if each in ids else -1 for each in wanted]
    expect(-1 not in places, "a job that has just ended is not among the newest fifty")
    expect(places == sorted(places, reverse=True), "the list is not newest first")


@check(
    "jobs.entry", "An entry of the list tells jobId, type, status, completedAt and duration.", level=FULL, needs=JOBS
)
async def entry(trial: Trial) -> None:
    await trial.ran("quick", "COMPLETED")
    data, _ = await listed(trial, "?status=COMPLETED&limit=1")
    expect(data, "there is no completed job in the list")
    missing = sorted({"jobId", "type", "status", "completedAt", "duration"} - data[0].keys())
    expect(not missing, f"an entry has no {', '.join(missing)}")


@check("jobs.limit", "limit is the size of a page.", level=FULL, needs=JOBS)
async def limit(trial: Trial) -> None:
    for _ in range(2):
        await trial.ran("quick")
    data, pagination = await listed(trial, "?limit=2")
    expect(len(data) == 2, f"limit=2 gave {len(data)} jobs")
    expect(pagination.get("size") == 2, f"pagination.size is {pagination.get('size')!r}")


@check("jobs.cursor", "pagination.next leads on, without a job twice or left out.", level=FULL, needs=JOBS)
async def cursor(trial: Trial) -> None:
    operations = [(await trial.ran("quick"))[0] for _ in range(5)]
    jobs = [(await trial.get(job_url(trial, each))).document for each in operations]
    begun, kind = {str(job["jobId"]) for job in jobs}, jobs[0]["type"]
    seen: list[str] = []
    query = f"?limit=2&type={kind}"
    for _ in range(40):
        data, pagination = await listed(trial, query)
        seen += [str(job["jobId"]) for job in data]
        if not pagination.get("next") or begun <= set(seen):
            break
        query = f"?limit=2&type={kind}&cursor={pagination['next']}"
    expect(len(seen) == len(set(seen)), "a job came on two pages")
    expect(pagination.get("next") or len(seen) < 80, "the pages have no end")
    expect(begun <= set(seen) or len(seen) >= 80, f"{len(begun - set(seen))} of {len(begun)} jobs are on no page")


@check("jobs.pages", "page works too, from 0.", level=FULL, needs=JOBS)
async def pages(trial: Trial) -> None:
    for _ in range(2):
        await trial.ran("quick")
    _, pagination = await listed(trial, "?limit=1&page=1")
    expect(pagination.get("page") == 1, f"pagination.page is {pagination.get('page')!r}")


@check(
    "jobs.filter", "status and type leave nothing else in the list.", level=FULL, uses=["quick", "failing"], needs=JOBS
)
async def filters(trial: Trial) -> None:
    await trial.ran("quick", "COMPLETED")
    failed, _ = await trial.ran("failing", "FAILED")
    data, _ = await listed(trial, "?status=FAILED&limit=20")
    statuses = {job.get("status") for job in data}
    expect(statuses == {"FAILED"}, f"status=FAILED gave {sorted(map(str, statuses))}")
    kind = (await trial.get(job_url(trial, failed))).document["type"]
    data, _ = await listed(trial, f"?type={kind}&limit=20")
    kinds = {job.get("type") for job in data}
    expect(kinds == {kind}, f"type={kind} gave {sorted(map(str, kinds))}")


@check("jobs.parameters", "A parameter that cannot be is a 422 invalid-parameter.", level=FULL, needs=JOBS)
async def parameters(trial: Trial) -> None:
    for query in ("limit=none", "limit=0", "page=-1", "status=SLEEPING", "cursor=%21"):
        answer = await trial.get(f"{trial.manifest.paths.jobs}?{query}")
        expect(answer.status == 422, f"?{query} was answered {answer.status}, not 422")
        check_problem(answer, 422, slug="invalid-parameter")


@check("jobs.unknown", "An unknown job is a 404.", level=FULL, needs=JOBS)
async def unknown(trial: Trial) -> None:
    check_problem(await trial.get(f"{trial.manifest.paths.jobs}/job-00000000000000000000000000"), 404)


@check("jobs.cancel", "A job can be cancelled as its operation can.", level=FULL, uses=["slow"], needs=JOBS)
async def cancel(trial: Trial) -> None:
    operation = await trial.begin(trial.long)
    answer = await trial.ask("POST", f"{job_url(trial, operation)}/cancel")
    expect(answer.status == 200, f"the cancel was answered {answer.status}, not 200")
    expect(status_of(await trial.poll(operation)) == "CANCELLED", "the operation is not cancelled")


@check("jobs.status", "A job's status is its operation's.", level=FULL, uses=["slow"], needs=JOBS)
async def same_status(trial: Trial) -> None:
    operation = await trial.begin(trial.long)
    await trial.until(operation, "PROCESSING")
    status = str((await trial.get(job_url(trial, operation))).document.get("status"))
    expect(status in STATUSES, f"the status is {status!r}")
    await trial.cancel(operation)
    job = (await trial.get(job_url(trial, operation))).document
    expect(job.get("status") == "CANCELLED", f"the job of a cancelled operation is {job.get('status')!r}")


@check(
    "jobs.logs",
    "The log is numbered lines with time, level and message, in pages.",
    level=FULL,
    uses=["logging"],
    needs=LOGS,
)
async def logs(trial: Trial) -> None:
    operation, _ = await trial.ran("logging")
    url = f"{job_url(trial, operation)}/logs"
    data, _ = page_of(await trial.get(url, accept="application/json"))
    expect(len(data) >= 2, f"the log has {len(data)} lines")
    for line in data:
        missing = sorted({"sequence", "timestamp", "level", "message"} - line.keys())
        expect(not missing, f"a line has no {', '.join(missing)}")
    numbers = [line["sequence"] for line in data]
    expect(numbers == sorted(set(numbers)), f"lines are numbered {numbers}")
    first, pagination = page_of(await trial.get(f"{url}?limit=1", accept="application/json"))
    second, _ = page_of(await trial.get(f"{url}?limit=1&cursor={pagination.get('next')}", accept="application/json"))
    expect([*first, *second] == data[:2], "the cursor of the log does not lead on")


@check(
    "jobs.logs-text",
    "The log is text for who asks for text, with the same lines.",
    level=FULL,
    uses=["logging"],
    needs=LOGS,
)
async def logs_text(trial: Trial) -> None:
    operation, _ = await trial.ran("logging")
    url = f"{job_url(trial, operation)}/logs"
    data, _ = page_of(await trial.get(url, accept="application/json"))
    answer = await trial.get(url, accept="text/plain")
    expect(answer.media_type == "text/plain", f"Accept: text/plain got {answer.media_type}")
    text = answer.body.decode("utf-8", "replace")
    lost = [line["message"] for line in data if str(line["message"]).split("\n")[0] not in text]
    expect(not lost, f"not in the text: {lost[:1]}")


@check(
    "jobs.logs-stream",
    "The log is a stream for who asks for one, which ends with the operation.",
    level=FULL,
    uses=["logging"],
    needs=[*LOGS, Feature.STREAMS],
)
async def logs_stream(trial: Trial) -> None:
    operation, _ = await trial.ran("logging")
    url = f"{job_url(trial, operation)}/logs"
    data, _ = page_of(await trial.get(url, accept="application/json"))
    heard = await listen(trial, url)
    told = [event.document.get("message") for event in heard.events if event.name == "log"]
    expect(told == [line["message"] for line in data], f"the stream told {len(told)} lines, the page {len(data)}")
