"""Statistics as OpenAPI says them: the document, the stream that keeps it up to date, and the page that shows both."""

from __future__ import annotations

from collections.abc import Iterator

from ..contract import problem as refused
from ..contract.operation import Status
from .openapi_parts import answer, html, operation, parameter, refusals
from .openapi_schemas import COUNT, JOB_ID, SECONDS, TEXT, TIME, Schema, closed, ref

_ABOUT = """Server-sent events without ids, for they tell of the present and not of a history: `statistics` at once and
whenever something has changed, at most once a second and at least every few, and `operations`, `{"data", "more"}`, with
the rows of up to 100 jobs that have changed; `more` says that others have too."""


def statistics() -> Iterator[tuple[str, str, Schema]]:
    """The paths that tell of all operations at once."""
    yield (
        "/statistics",
        "get",
        operation(
            id="getStatistics",
            tag="statistics",
            summary="Counts, queues, workers and the last hour",
            responses={"200": answer("As it is, not older than a second.", ref("Statistics")), **refusals()},
        ),
    )
    yield (
        "/statistics/stream",
        "get",
        operation(
            id="streamStatistics",
            tag="statistics",
            summary="Follow all operations at once",
            description=_ABOUT,
            responses={"200": answer("Events without end.", TEXT, media="text/event-stream"), **refusals()},
        ),
    )


def dashboard() -> Iterator[tuple[str, str, Schema]]:
    """The page for people, which shows all of it."""
    page = operation(
        id="getDashboard",
        tag="dashboard",
        summary="The dashboard, a page for people",
        responses={
            "200": html("The page; it holds no data."),
            "304": answer("Nothing has changed."),
            **refusals(store=False, public=True),
        },
    )
    yield "/dashboard", "get", page
    name: Schema = {"type": "string", "pattern": "^[^/]+$"}
    file = operation(
        id="getDashboardFile",
        tag="dashboard",
        summary="A file of the dashboard",
        parameters=[
            parameter("path", "version", name, "Which version of it."),
            parameter("path", "file", name, "A script, a style or a picture."),
        ],
        responses={
            "200": {**answer("The file."), "content": {"*/*": {}}},
            **refusals(refused.NotFound, store=False, public=True),
        },
    )
    yield "/dashboard/{version}/{file}", "get", file


def statistic_schemas() -> dict[str, Schema]:
    """The components of these."""
    share = {"type": "number", "minimum": 0, "maximum": 1, "description": "Of those that were not cancelled."}
    counts = closed(dict.fromkeys(Status, COUNT))
    times = closed({"p50": SECONDS, "p95": SECONDS, "p99": SECONDS}, description="Percentiles, to within 9 %.")
    tallies: Schema = {
        "submitted": COUNT,
        "ended": closed({}, dict.fromkeys(Status, COUNT)),
        "successRate": share,
        "wait": times,
        "run": times,
    }
    queue = closed({"depth": COUNT}, {"oldestDueAt": TIME})
    running = closed({"jobId": JOB_ID, "type": TEXT, "since": TIME})
    worker = closed(
        {"workerId": TEXT, "alive": {"type": "boolean"}, "running": {"type": "array", "items": running}},
        {"host": TEXT, "pid": COUNT, "slots": COUNT, "types": {"type": "array", "items": TEXT}},
    )
    type = closed({"type": TEXT, "operations": counts, "queue": queue, "lastHour": closed({}, tallies)})
    minutes = {"type": "array", "items": closed({"at": TIME}, tallies)}
    return {
        "Statistics": closed(
            {
                "timestamp": TIME,
                "operations": counts,
                "queue": queue,
                "lastHour": closed({}, tallies),
                "types": {"type": "array", "items": type},
                "minutes": minutes,
            },
            {"workers": {"type": "array", "items": worker}},
        )
    }
