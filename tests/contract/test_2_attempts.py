"""Attempts: fences and leases, automatic retries, hand-back, crash marks (contract, section 2; guarantees L1 to L6)."""

from __future__ import annotations

import msgspec
import pytest

from accepted.contract.lifecycle import step
from accepted.contract.operation import NO_JSON, LogLine, Now, Operation, Status, Warning
from accepted.contract.problem import OperationNotFound, StaleAttempt, WorkerLost
from accepted.contract.progress import PhaseStatus, Progress, advance, announced, enter
from accepted.contract.transition import (
    Advance,
    Claimed,
    Complete,
    Fail,
    Held,
    Keep,
    LogEntry,
    Release,
    Renew,
    Renewed,
    Report,
    Resign,
    Stop,
)
from tests.contract.given import (
    BROKEN,
    BUSY,
    NOW,
    SECOND,
    WARNED,
    accept,
    after,
    again,
    claim,
    complete,
    fail,
    held,
    op_id,
    pending,
    processing,
    release,
    rescue,
)
from tests.contract.memory import Memory

TTL = 30 * SECOND


@pytest.fixture
def memory() -> Memory:
    """One operation that worker w1 runs since a second."""
    memory = Memory()
    memory.commit([accept(), Renew("w1", TTL, first=True), Renew("w2", TTL, first=True)], NOW)
    memory.commit([claim()], after(SECOND))
    return memory


def running(memory: Memory) -> Operation:
    return memory.operations[op_id()]


class TestClaim:
    def test_each_claim_raises_the_attempt_and_marks_a_crash_until_proven_otherwise(self) -> None:
        first = processing()
        assert (first.status, first.worker, first.attempt, first.crashes) == (Status.PROCESSING, "w1", 1, 1)
        assert first.started_at == first.attempt_at == after(SECOND).wall
        second = again(step(first, rescue(), after(2 * SECOND)), after(3 * SECOND))
        assert (second.attempt, second.crashes) == (2, 2)
        assert (second.started_at, second.attempt_at) == (after(SECOND).wall, after(3 * SECOND).wall)

    def test_it_needs_a_lease_that_lasts(self, memory: Memory) -> None:
        memory.commit([accept(2)], NOW)
        stranger, late = memory.ask([claim("w3"), claim("w1")], after(TTL))
        assert isinstance(stranger, WorkerLost)
        assert isinstance(late, WorkerLost)
        assert memory.operations[op_id(2)].status is Status.PENDING

    def test_a_lease_and_a_claim_may_ride_in_one_batch_with_the_submit(self) -> None:
        outcomes = Memory().ask([accept(), Renew("w1", TTL, first=True), claim()], NOW)
        assert [operation.id for operation in outcomes[2].operations] == [op_id()]

    def test_what_ends_makes_room_for_the_next_within_one_batch(self, memory: Memory) -> None:
        memory.commit([accept(2)], NOW)
        limited = claim(limits={"report": 1})
        (none,) = memory.ask([limited], after(SECOND))
        assert none == Claimed(())
        _, one = memory.ask([complete(running(memory)), limited], after(SECOND))
        assert [operation.id for operation in one.operations] == [op_id(2)]


class TestFence:
    """A write with a stale fence changes nothing (guarantee L2)."""

    writes = pytest.mark.parametrize("kind", [Advance, Keep, Complete, Fail, Release, Stop])

    @staticmethod
    def write(kind: type[Held], operation: Operation, **fence: object) -> Held:
        members = {
            Keep: {"number": 0, "data": b"x"},
            Complete: {"result": complete(operation).result},
            Fail: {"problem": BUSY},
        }.get(kind, {})
        return held(kind, operation, **members, **fence)  # type: ignore[arg-type]

    @writes
    @pytest.mark.parametrize(
        "fence", [{"worker": "w2"}, {"attempt": 2}, {"attempt": 0}], ids=["worker", "next", "none"]
    )
    def test_a_stranger_is_refused(self, memory: Memory, kind: type[Held], fence: dict[str, object]) -> None:
        before = running(memory)
        report = Report(progress=Progress(current=1), checkpoint=b"1", lines=(LogEntry(0, "INFO", "line"),))
        changes = memory.commit([self.write(kind, before, report=report, **fence)], after(2 * SECOND))
        assert isinstance(changes.outcomes[0], StaleAttempt)
        assert running(memory) is before
        assert (changes.events, changes.checkpoints, changes.chunks, changes.lines) == ([], {}, [], [])

    @writes
    def test_so_is_an_expired_lease_even_where_nobody_has_taken_over(self, memory: Memory, kind: type[Held]) -> None:
        before = running(memory)
        (outcome,) = memory.ask([self.write(kind, before)], after(TTL))
        assert isinstance(outcome, StaleAttempt)
        assert running(memory) is before

    @writes
    def test_so_is_the_attempt_before(self, memory: Memory, kind: type[Held]) -> None:
        first = running(memory)
        memory.commit([release(first), claim()], after(2 * SECOND))
        second = running(memory)
        assert (second.worker, second.attempt) == ("w1", 2)
        (outcome,) = memory.ask([self.write(kind, first)], after(3 * SECOND))
        assert isinstance(outcome, StaleAttempt)
        assert running(memory) is second

    @writes
    def test_the_holder_writes_until_its_lease_ends(self, memory: Memory, kind: type[Held]) -> None:
        (outcome,) = memory.ask([self.write(kind, running(memory))], after(TTL - 1))
        assert isinstance(outcome, Operation)

    def test_an_operation_that_is_gone_is_not_found(self, memory: Memory) -> None:
        (outcome,) = memory.ask([self.write(Advance, running(memory), operation_id=op_id(9))], NOW)
        assert isinstance(outcome, OperationNotFound)

    def test_leases_are_judged_by_ticks_alone(self, memory: Memory) -> None:
        year = 365 * 86_400_000
        for wall in (NOW.wall - year, NOW.wall + year):
            now = Now(wall, NOW.tick + TTL - 1)
            (outcome,) = memory.ask([held(Advance, running(memory))], now)
            assert isinstance(outcome, Operation)


class TestLease:
    def test_renewing_moves_its_end_and_tells_what_is_held(self, memory: Memory) -> None:
        (renewed,) = memory.ask([Renew("w1", TTL)], after(TTL - 1))
        assert renewed == Renewed((running(memory),))
        assert memory.leases["w1"] == after(2 * TTL - 1).tick
        assert memory.ask([Renew("w2", TTL)], after(TTL - 1)) == [Renewed(())]

    def test_what_is_over_cannot_be_renewed(self, memory: Memory) -> None:
        late, unknown = memory.ask([Renew("w1", TTL), Renew("w3", TTL)], after(TTL))
        assert isinstance(late, WorkerLost)
        assert isinstance(unknown, WorkerLost)

    def test_a_worker_that_resigns_holds_nothing_from_then_on(self, memory: Memory) -> None:
        none, refused = memory.ask([Resign("w1"), held(Advance, running(memory))], after(SECOND))
        assert none is None
        assert isinstance(refused, StaleAttempt)
        (rescued,) = memory.ask([rescue()], after(SECOND))
        assert (rescued, running(memory).status) == (1, Status.PENDING)

    def test_one_that_registers_after_its_resignation_stays_registered(self, memory: Memory) -> None:
        memory.commit([Resign("w1"), Renew("w1", TTL, first=True)], after(SECOND))
        assert memory.leases["w1"] == after(SECOND + TTL).tick

    def test_orphans_wait_until_the_lease_is_over(self, memory: Memory) -> None:
        assert memory.ask([rescue()], after(TTL - 1)) == [0]
        assert memory.ask([rescue()], after(TTL)) == [1]
        assert running(memory).due_at == after(TTL).wall

    def test_a_second_rescue_leaves_alone_what_somebody_has_taken_since(self, memory: Memory) -> None:
        memory.commit([Renew("w2", 10 * TTL)], after(SECOND))
        first, taken, second = memory.ask([rescue(), claim("w2"), rescue()], after(TTL))
        assert (first, len(taken.operations), second) == (1, 1, 0)
        assert (running(memory).worker, running(memory).attempt) == ("w2", 2)


class TestAutomaticRetry:
    def test_a_retryable_failure_waits_for_its_delay_and_runs_again(self) -> None:
        now = after(3 * SECOND)
        back = step(processing(), fail(processing(), attempts=3, delay=5 * SECOND), now)
        assert (back.status, back.due_at, back.failures) == (Status.PENDING, now.wall + 5 * SECOND, 1)
        assert (back.worker, back.attempt_at, back.error) == (None, None, None)

    def test_it_fails_once_its_attempts_are_used_up(self) -> None:
        operation = pending()
        statuses = []
        for _ in range(3):
            operation = again(operation)
            operation = step(operation, fail(operation, attempts=3), NOW)
            statuses.append(operation.status)
        assert statuses == [Status.PENDING, Status.PENDING, Status.FAILED]
        assert (operation.failures, operation.attempt, operation.error) == (3, 3, BUSY)

    def test_one_that_is_not_retryable_fails_at_once(self) -> None:
        end = step(processing(), fail(processing(), BROKEN, attempts=9), after(3 * SECOND))
        assert (end.status, end.error, end.ended_at) == (Status.FAILED, BROKEN, after(3 * SECOND).wall)

    def test_attempts_lost_to_crashes_and_hand_backs_are_no_failures(self) -> None:
        operation = again(step(processing(), rescue(), NOW))
        operation = again(step(operation, release(operation), NOW))
        back = step(operation, fail(operation, attempts=2), NOW)
        assert (back.status, back.failures, back.attempt) == (Status.PENDING, 1, 3)

    def test_the_delay_keeps_it_from_being_claimed(self, memory: Memory) -> None:
        memory.commit([fail(running(memory), attempts=2, delay=5 * SECOND)], after(2 * SECOND))
        (early,) = memory.ask([claim()], after(7 * SECOND - 1))
        assert early == Claimed((), next_due=after(7 * SECOND).wall)
        (due,) = memory.ask([claim()], after(7 * SECOND))
        assert [operation.attempt for operation in due.operations] == [2]

    def test_the_next_attempt_starts_afresh_but_keeps_its_checkpoint_and_log(self, memory: Memory) -> None:
        progress = advance(enter(announced({"LOAD": 2, "SAVE": 1}) or Progress(), "LOAD", 0), current=3, total=4)
        line = LogEntry(NOW.wall, "INFO", "line")
        report = Report(progress, WARNED.warnings, (line,), b'{"row":3}')
        memory.commit([fail(running(memory), attempts=2, report=report), claim()], after(2 * SECOND))
        second = running(memory)
        assert second.progress == announced({"LOAD": 2, "SAVE": 1})
        assert second.warnings == ()
        assert memory.checkpoints == {op_id(): b'{"row":3}'}
        memory.commit([held(Advance, second, report=Report(lines=(line,)))], after(3 * SECOND))
        assert [(entry.line, entry.attempt) for entry in memory.lines[op_id()]] == [(1, 1), (2, 2)]


class TestCrashMarks:
    """A claim marks a crash, an orderly end takes the mark back; the worker may die `max_crashes` times (L5)."""

    @pytest.mark.parametrize("kind", [Fail, Release])
    def test_an_orderly_end_clears_the_mark(self, kind: type[Held]) -> None:
        operation = pending()
        for _ in range(10):
            operation = again(operation)
            assert operation.crashes == 1
            end = fail(operation, attempts=99) if kind is Fail else release(operation)
            operation = step(operation, end, NOW)
            assert (operation.status, operation.crashes) == (Status.PENDING, 0)

    def test_after_so_many_crashes_it_is_failed_as_worker_lost(self) -> None:
        operation = pending()
        statuses = []
        for _ in range(3):
            operation = step(again(operation), rescue(max_crashes=3), NOW)
            statuses.append(operation.status)
        assert statuses == [Status.PENDING, Status.PENDING, Status.FAILED]
        assert operation.error is not None
        assert (operation.error.slug, operation.error.status, operation.error.retryable) == ("worker-lost", 500, False)
        assert operation.error.detail == "The worker died 3 times while it ran this operation."

    def test_crashes_add_up_over_orderly_ends_in_between(self) -> None:
        operation = step(processing(), rescue(), NOW)
        operation = again(operation)
        operation = step(operation, release(operation), NOW)
        assert operation.crashes == 1
        operation = step(again(operation), rescue(max_crashes=2), NOW)
        assert operation.status is Status.FAILED


class TestReports:
    def test_progress_is_an_event_and_the_rest_is_not(self) -> None:
        before = processing()
        quiet = step(before, held(Advance, before, report=WARNED), NOW)
        assert (quiet.sequence, quiet.version, quiet.warnings) == (before.sequence, before.version, WARNED.warnings)
        loud = step(quiet, held(Advance, quiet, report=Report(progress=Progress(current=1))), NOW)
        assert (loud.sequence, loud.version) == (before.sequence + 1, before.version + 1)

    def test_nothing_to_say_changes_nothing(self) -> None:
        before = processing()
        assert step(before, held(Advance, before), NOW) is before

    def test_what_the_last_write_brings_counts(self) -> None:
        before = processing()
        report = Report(Progress(current=9, total=9, percentage=99), WARNED.warnings)
        end = step(before, complete(before, report=report), NOW)
        assert (end.status, end.warnings) == (Status.COMPLETED_WITH_ERRORS, WARNED.warnings)
        assert end.progress == Progress(current=9, total=9, percentage=100)

    def test_warnings_add_up(self) -> None:
        before = processing()
        one = step(before, held(Advance, before, report=WARNED), NOW)
        two = step(one, held(Advance, one, report=Report(warnings=(Warning("LATE", "late"),))), NOW)
        assert [warning.code for warning in two.warnings] == ["MISSING_DATA", "LATE"]

    def test_a_chunk_may_bring_a_report_like_any_write(self, memory: Memory) -> None:
        report = Report(Progress(current=1), lines=(LogEntry(NOW.wall, "INFO", "line"),))
        memory.commit([held(Keep, running(memory), number=0, data=b"x", report=report)], after(2 * SECOND))
        assert (running(memory).lines, running(memory).progress) == (1, Progress(current=1))

    def test_lines_are_numbered_on_over_batches(self, memory: Memory) -> None:
        entries = tuple(LogEntry(NOW.wall + n, "INFO", f"line {n}", {"n": n}) for n in range(3))
        memory.commit([held(Advance, running(memory), report=Report(lines=entries[:2]))], after(2 * SECOND))
        memory.commit([complete(running(memory), report=Report(lines=entries[2:]))], after(3 * SECOND))
        assert memory.lines[op_id()] == [
            LogLine(n + 1, NOW.wall + n, "INFO", f"line {n}", 1, {"n": n}) for n in range(3)
        ]

    def test_only_a_cancelled_operation_keeps_a_partial_result(self) -> None:
        before = processing()
        left = step(before, held(Advance, before, report=Report(partial=msgspec.Raw(b"[1]"))), NOW)
        assert left.partial == msgspec.Raw(b"[1]")
        assert step(left, complete(left), NOW).partial is NO_JSON
        assert step(left, fail(left, BROKEN), NOW).partial is NO_JSON
        assert step(left, held(Stop, left), NOW).partial == msgspec.Raw(b"[1]")

    def test_phases_that_run_at_the_end_are_completed(self) -> None:
        before = processing(progress=announced(["LOAD"]))
        begun = Report(progress=enter(before.progress or Progress(), "LOAD", NOW.wall))
        end = step(before, complete(before, report=begun), after(2500))
        assert end.progress is not None
        (phase,) = end.progress.phases
        assert (phase.status, phase.duration, end.progress.percentage) == (PhaseStatus.COMPLETED, 2.5, 100)


def test_an_end_sets_its_times_once_and_for_all() -> None:
    end = step(processing(), complete(processing()), after(3 * SECOND))
    assert (end.ended_at, end.updated_at, end.worker) == (after(3 * SECOND).wall, after(3 * SECOND).wall, None)
    assert end.expires_at == after(3 * SECOND).wall + end.retention


@pytest.mark.parametrize("kind", [Release, Stop])
def test_handing_back_and_stopping(kind: type[Held]) -> None:
    before = processing()
    end = step(before, held(kind, before), after(3 * SECOND))
    assert end.status is (Status.PENDING if kind is Release else Status.CANCELLED)
    assert end.due_at == (after(3 * SECOND).wall if kind is Release else before.due_at)
    assert end.failures == 0
