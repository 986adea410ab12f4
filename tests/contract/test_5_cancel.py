"""Cancelling: at once, by the function, or by the end of the grace (contract, section 5; guarantees C1 to C4)."""

from __future__ import annotations

import msgspec
import pytest

from accepted.contract.lifecycle import step
from accepted.contract.operation import NO_JSON, Artifact, Cancellation, Now, Operation, Result, Status
from accepted.contract.problem import OperationNotCancellable, StaleAttempt
from accepted.contract.transition import Advance, Claimed, Held, Renew, Report, Stop
from tests.contract.given import (
    BUSY,
    DAY,
    NOW,
    SECOND,
    accept,
    after,
    cancel,
    cancelled,
    cancelling,
    claim,
    complete,
    completed,
    completed_with_errors,
    fail,
    failed,
    held,
    op_id,
    pending,
    processing,
    release,
    rescue,
    settle,
)
from tests.contract.memory import Memory

REASON = "changed my mind"


def test_what_waits_is_cancelled_at_once_and_never_runs() -> None:
    memory = Memory()
    submit = accept()
    _, outcome, _, claimed = memory.ask(
        [submit, cancel(pending(), REASON), Renew("w1", SECOND, first=True), claim()], NOW
    )
    assert (outcome.status, outcome.reason, outcome.work_stopped) == (Status.CANCELLED, REASON, True)
    assert (outcome.started_at, outcome.ended_at, outcome.expires_at) == (None, NOW.wall, NOW.wall + DAY)
    assert claimed == Claimed(())


def test_what_runs_has_the_request_noted_and_goes_on() -> None:
    before = processing(cancel_grace=2 * SECOND)
    now = after(2 * SECOND)
    noted = step(before, cancel(before, REASON), now)
    assert noted.status is Status.PROCESSING
    assert noted.cancellation == Cancellation(now.wall, now.tick + 2 * SECOND, REASON)
    assert (noted.worker, noted.attempt, noted.sequence) == (before.worker, before.attempt, before.sequence + 1)


@pytest.mark.parametrize("before", [cancelled(), cancelling()], ids=["cancelled", "cancelling"])
def test_cancelling_again_changes_nothing_not_even_the_reason(before: Operation) -> None:
    assert step(before, cancel(before, "another reason"), after(DAY)) is before


@pytest.mark.parametrize("before", [completed(), completed_with_errors(), failed()], ids=lambda o: str(o.status))
def test_what_has_ended_otherwise_cannot_be_cancelled(before: Operation) -> None:
    with pytest.raises(OperationNotCancellable) as refused:
        step(before, cancel(before), after(DAY))
    assert refused.value.members == {"operationStatus": before.status}
    assert refused.value.detail == f"The operation is {before.status}."


class TestTheFunctionEndsWithinTheGrace:
    def test_a_value_returned_after_the_request_is_partial(self) -> None:
        before = cancelling()
        end = step(before, complete(before, b"[1,2]"), after(3 * SECOND))
        assert (end.status, end.reason, end.work_stopped) == (Status.CANCELLED, REASON, True)
        assert (end.partial, end.result) == (msgspec.Raw(b"[1,2]"), None)

    def test_null_is_a_value_too(self) -> None:
        assert step(cancelling(), complete(cancelling(), b"null"), NOW).partial == msgspec.Raw(b"null")

    def test_an_artifact_leaves_what_was_partial_before(self) -> None:
        before = cancelling()
        left = step(before, held(Advance, before, report=Report(partial=msgspec.Raw(b"[1]"))), NOW)
        artifact = Result(artifact=Artifact("text/csv", 9, "0" * 64, 1), path="/reports/rpt-1")
        end = step(left, complete(left, result=artifact), NOW)
        assert (end.status, end.partial, end.result) == (Status.CANCELLED, msgspec.Raw(b"[1]"), None)

    def test_a_resource_named_by_such_a_result_does_not_come_to_be(self) -> None:
        memory = Memory()
        memory.commit([accept(), Renew("w1", DAY, first=True), claim(), cancel(pending())], NOW)
        running = memory.operations[op_id()]
        changes = memory.commit([complete(running, result=Result(msgspec.Raw(b"1"), path="/reports/rpt-1"))], NOW)
        assert (memory.operations[op_id()].status, changes.resources) == (Status.CANCELLED, {})

    @pytest.mark.parametrize("attempts", [1, 9])
    def test_a_failure_is_no_failure_any_more(self, attempts: int) -> None:
        end = step(cancelling(), fail(cancelling(), BUSY, attempts=attempts), after(3 * SECOND))
        assert (end.status, end.work_stopped, end.error, end.failures) == (Status.CANCELLED, True, None, 0)

    def test_stopping_keeps_the_last_partial_result(self) -> None:
        before = cancelling()
        end = step(before, held(Stop, before, report=Report(partial=msgspec.Raw(b"[1]"))), after(3 * SECOND))
        assert (end.status, end.work_stopped, end.partial) == (Status.CANCELLED, True, msgspec.Raw(b"[1]"))

    def test_handing_back_ends_it(self) -> None:
        end = step(cancelling(), release(cancelling()), after(3 * SECOND))
        assert (end.status, end.work_stopped, end.partial) == (Status.CANCELLED, True, NO_JSON)


class TestTheGraceEnds:
    def test_before_it_ends_nothing_is_settled(self) -> None:
        with pytest.raises(StaleAttempt):
            step(cancelling(), settle(cancelling()), after(4 * SECOND - 1))

    def test_without_a_cancel_there_is_nothing_to_settle(self) -> None:
        with pytest.raises(StaleAttempt):
            step(processing(), settle(processing()), after(DAY))

    def test_then_the_operation_ends_without_its_function(self) -> None:
        end = step(cancelling(), settle(cancelling()), after(4 * SECOND))
        assert (end.status, end.reason, end.work_stopped, end.worker) == (Status.CANCELLED, REASON, False, None)

    @pytest.mark.parametrize("wall", [-DAY, DAY])
    def test_the_grace_is_counted_in_ticks(self, wall: int) -> None:
        early = Now(NOW.wall + wall, after(4 * SECOND).tick - 1)
        with pytest.raises(StaleAttempt):
            step(cancelling(), settle(cancelling()), early)
        end = step(cancelling(), settle(cancelling()), Now(NOW.wall + wall, after(4 * SECOND).tick))
        assert end.status is Status.CANCELLED

    def test_settling_again_changes_nothing(self) -> None:
        end = step(cancelling(), settle(cancelling()), after(4 * SECOND))
        assert step(end, settle(end), after(DAY)) is end

    @pytest.mark.parametrize("kind", [Advance, Stop])
    def test_the_attempt_is_fenced_off(self, kind: type[Held]) -> None:
        before = cancelling()
        end = step(before, settle(before), after(4 * SECOND))
        with pytest.raises(StaleAttempt):
            step(end, held(kind, before), after(5 * SECOND))

    def test_a_rescue_settles_what_is_overdue_though_its_worker_lives(self) -> None:
        memory = Memory()
        memory.commit([accept(), Renew("w1", DAY, first=True), claim(), cancel(pending(), REASON)], NOW)
        assert memory.ask([rescue()], after(2 * SECOND - 1)) == [0]
        assert memory.ask([rescue()], after(2 * SECOND)) == [1]
        end = memory.operations[op_id()]
        assert (end.status, end.reason, end.work_stopped) == (Status.CANCELLED, REASON, False)

    def test_a_cancel_survives_the_death_of_the_worker(self) -> None:
        end = step(cancelling(), rescue(max_crashes=1), after(3 * SECOND))
        assert (end.status, end.reason, end.work_stopped, end.error) == (Status.CANCELLED, REASON, False, None)


@pytest.mark.parametrize("first", ["cancel", "complete"])
def test_of_a_cancel_and_a_completion_the_first_decides(first: str) -> None:
    memory = Memory()
    memory.commit([accept(), Renew("w1", DAY, first=True), claim()], NOW)
    running = memory.operations[op_id()]
    race = [cancel(running), complete(running)]
    outcomes = memory.ask(race if first == "cancel" else race[::-1], NOW)
    end = memory.operations[op_id()]
    if first == "cancel":
        assert [outcome.status for outcome in outcomes] == [Status.PROCESSING, Status.CANCELLED]
        assert end.partial == msgspec.Raw(b'{"rows":3}')
    else:
        assert isinstance(outcomes[1], OperationNotCancellable)
        assert outcomes[1].members == {"operationStatus": Status.COMPLETED}
        assert end.status is Status.COMPLETED
    assert sum(event.status is end.status for event in memory.events[op_id()]) == 1
