"""Operations that the next crash of their worker would end run one at a time, apart from each other."""

from __future__ import annotations

from accepted.contract.fold import fold
from accepted.contract.ledger import Facts
from accepted.contract.operation import Now, Operation, Status
from accepted.contract.transition import Claim, Claimed

NOW = Now(wall=1_000_000, tick=5_000)


def waiting(number: int, crashes: int) -> Operation:
    """A PENDING operation that has been under so many crashes, due in the order of its number."""
    return Operation(
        id=f"op-{number:026d}",
        type="job",
        owner="",
        status=Status.PENDING,
        created_at=0,
        updated_at=0,
        due_at=number,
        retention=0,
        cancel_grace=0,
        crashes=crashes,
    )


def claimed(*queue: Operation, claim: Claim) -> Claimed:
    """What a claim gets out of this queue."""
    facts = Facts(
        operations={operation.id: operation for operation in queue},
        due={"job": [operation.id for operation in queue]},
        leases={"w": NOW.tick + 1},
    )
    outcome = fold([claim], facts, NOW).outcomes[0]
    assert isinstance(outcome, Claimed)
    return outcome


def test_one_suspect_at_a_time_is_claimed_and_the_others_are_counted() -> None:
    found = claimed(waiting(1, 2), waiting(2, 2), waiting(3, 0), waiting(4, 2), claim=Claim("w", ("job",), 9))
    assert [operation.due_at for operation in found.operations] == [1, 3]
    assert found.passed_over == 2


def test_none_is_claimed_while_the_worker_runs_one() -> None:
    found = claimed(waiting(1, 2), waiting(2, 1), claim=Claim("w", ("job",), 9, suspects=0))
    assert [operation.due_at for operation in found.operations] == [2]
    assert found.passed_over == 1


def test_one_crash_alone_makes_no_suspect() -> None:
    found = claimed(*(waiting(number, 1) for number in range(5)), claim=Claim("w", ("job",), 9))
    assert len(found.operations) == 5
    assert found.passed_over == 0
