"""Contract, section 3: progress and its phases; guarantees P1 to P4."""

from functools import partial
from typing import Any

import pytest

from accepted import Attempt, Failure
from tests.http.api import Api, Document, eventually
from tests.http.conftest import MakeApp, Start
from tests.http.gate import Gates

Progress = dict[str, Any]


async def shown(api: Api, id: str, **wanted: Any) -> Progress:
    """The progress object once it has these members."""

    def is_wanted(found: Document) -> bool:
        return bool(wanted.items() <= found.get("progress", {}).items())

    progress: Progress = (await eventually(partial(api.status, id), is_wanted))["progress"]
    return progress


async def test_the_progress_object_of_the_contract(api: Api, gates: Gates) -> None:
    id = (await api.submit("/phases"))["operationId"]
    await gates.steps[0][0].passed()
    gates.steps[0][1].open()
    await gates.steps[1][0].passed()
    progress = await shown(api, id, current=450)
    duration = progress["phases"][0].pop("duration")
    assert duration >= 0
    assert progress == {
        "current": 450,
        "total": 1000,
        "percentage": 48,
        "message": "Processing orders",
        "phase": "DATA_PROCESSING",
        "phases": [
            {"name": "VALIDATION", "status": "COMPLETED"},
            {"name": "DATA_PROCESSING", "status": "IN_PROGRESS", "percentage": 45},
            {"name": "REPORT_GENERATION", "status": "PENDING"},
        ],
    }
    gates.steps[1][1].open()
    last = await shown(api, id, phase="REPORT_GENERATION")
    assert last["percentage"] == 66
    assert "current" not in last, "current, total and message are those of the running phase"
    gates.steps[2][1].open()
    done = (await api.ended(id))["progress"]
    assert done["percentage"] == 100
    assert [phase["status"] for phase in done["phases"]] == ["COMPLETED"] * 3
    assert "phase" not in done


async def test_phases_are_announced_as_pending_from_the_start(idle: Api) -> None:
    progress = (await idle.status((await idle.submit("/phases"))["operationId"]))["progress"]
    assert [phase["status"] for phase in progress["phases"]] == ["PENDING"] * 3


async def test_phases_roll_up_by_the_given_weights(make_app: MakeApp, start: Start, gates: Gates) -> None:
    app = make_app()

    @app.operation("/weighted", phases={"FIRST": 1, "SECOND": 3})
    async def weighted(attempt: Attempt) -> None:
        async with attempt.phase("FIRST"):
            attempt.progress(1, 2)
            await gates.at(0)
        async with attempt.phase("SECOND"):
            attempt.progress(1, 3)
            await gates.at(1)

    api = await start(app)
    id = (await api.submit("/weighted"))["operationId"]
    assert await shown(api, id, percentage=12)  # 50 % of 1 in 4, rounded down
    gates.steps[0][1].open()
    assert await shown(api, id, percentage=49)  # 25 and 33 % of 75, rounded down


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    "reports",
    [
        [((50, 100), {"current": 50, "total": 100, "percentage": 50}), ((30, 100), {"percentage": 50})],
        [((2, 3), {"current": 2, "total": 3, "percentage": 66})],
        [((5, 3), {"current": 3, "total": 3, "percentage": 99})],
        [((3, 3), {"current": 3, "total": 3, "percentage": 99})],
        [((7, None), {"current": 7})],
        [
            ((1, 4), {"percentage": 25}),
            ((NAN, 4), {}),
            ((INFINITE, 4), {}),
            ((-1, 4), {"current": 1, "percentage": 25}),
        ],
        [((1, 4), {"percentage": 25}), ((2, NAN), {"current": 2, "total": 4, "percentage": 50})],
        [((1, 2), {"percentage": 50}), ((1, 4), {"percentage": 50}), ((3, 4), {"percentage": 75})],
        [((0, 0), {"current": 0, "total": 0})],
        [((1, 200), {"current": 1, "percentage": 0})],
        [((0.5, 1.5), {"current": 0.5, "total": 1.5, "percentage": 33})],
    ],
)
async def test_percentage_is_a_whole_number_that_never_falls_and_is_100_only_at_the_end(
    make_app: MakeApp, start: Start, gates: Gates, reports: list[tuple[tuple[float, float], Progress]]
) -> None:
    app = make_app()

    @app.operation("/reports")
    async def report(attempt: Attempt) -> None:
        for number, (numbers, _) in enumerate(reports):
            attempt.progress(*numbers)
            await gates.at(number)
        raise Failure("Enough")

    api = await start(app)
    id = (await api.submit("/reports"))["operationId"]
    for (arrived, onward), (_, wanted) in zip(gates.steps, reports, strict=False):
        await arrived.passed()
        progress = await shown(api, id, **wanted)
        assert isinstance(progress.get("percentage", 0), int)
        onward.open()
    last = (await api.ended(id))["progress"]
    assert reports[-1][1].items() <= last.items()


@pytest.mark.parametrize(("given", "told"), [(49.99, 49), (100, 99), (1000, 99), (-5, 0)])
async def test_a_function_may_say_the_percentage_itself(
    make_app: MakeApp, start: Start, gates: Gates, given: float, told: int
) -> None:
    app = make_app()

    @app.operation("/percentages")
    async def percentage(attempt: Attempt) -> None:
        attempt.progress(percentage=given)
        await gates.at(0)

    api = await start(app)
    assert await shown(api, (await api.submit("/percentages"))["operationId"], percentage=told)


async def test_what_was_said_last_before_the_end_is_told(make_app: MakeApp, start: Start) -> None:
    app = make_app()

    @app.operation("/many")
    async def many(attempt: Attempt) -> None:
        for number in attempt.track(range(10_000), message="rows"):
            assert number >= 0
        raise Failure("Enough")

    api = await start(app)
    progress = (await api.run("/many"))["progress"]
    assert progress == {"current": 10_000, "total": 10_000, "percentage": 99, "message": "rows"}


async def test_100_is_never_said_of_what_was_cancelled(api: Api, gates: Gates) -> None:
    id = (await api.submit("/phases"))["operationId"]
    await gates.steps[0][0].passed()
    await api.post(f"/operations/{id}/cancel")
    assert (await api.ended(id))["progress"].get("percentage", 0) < 100


async def test_a_new_attempt_starts_with_fresh_progress(make_app: MakeApp, start: Start, gates: Gates) -> None:
    app = make_app()

    @app.operation("/again", attempts=2, backoff="0s..0s", phases=["ONLY"])
    async def again(attempt: Attempt) -> None:
        if attempt.number == 2:
            await gates.at(0)
        async with attempt.phase("ONLY"):
            attempt.progress(9, 10, "nearly")
            if attempt.number == 1:
                raise Failure("Again", retryable=True)

    api = await start(app)
    id = (await api.submit("/again"))["operationId"]
    await gates.steps[0][0].passed()
    second = await api.status(id)
    assert second["attempt"] == 2
    assert second["progress"] == {"phases": [{"name": "ONLY", "status": "PENDING"}]}
    gates.steps[0][1].open()
    assert (await api.ended(id))["progress"]["percentage"] == 100


async def test_an_operation_that_reports_nothing_has_no_progress(api: Api) -> None:
    assert "progress" not in await api.run("/noops")
