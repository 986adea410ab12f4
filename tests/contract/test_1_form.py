"""The body of a 202 comes out of a form; it is the same, byte by byte, as the document that `wire` would write."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from accepted.contract.form import accepted_body
from accepted.contract.operation import Operation, Status, operation_id
from accepted.contract.progress import Progress
from accepted.contract.wire import Advice, accepted_document, encode

milliseconds = some.integers(0, 4_000_000_000_000)
bases = some.sampled_from(["", "/api", "https://x.example/%20%s", "/\N{OBJECT REPLACEMENT CHARACTER}"])
advice = some.builds(
    Advice,
    recommended=some.sampled_from([1.0, 2.0, 30.0]),
    minimum=some.sampled_from([1.0, 0.5]),
    estimated=some.none() | milliseconds,
    queue_position=some.none() | some.integers(1, 1000),
)
operations = some.builds(
    Operation,
    id=some.builds(operation_id, milliseconds, some.integers(0, 2**74 - 1)),
    type=some.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
    owner=some.just("somebody"),
    status=some.sampled_from(Status),
    created_at=milliseconds | some.sampled_from([0, 1]),
    updated_at=milliseconds,
    retention=some.just(1000),
    cancel_grace=some.just(1000),
    progress=some.none() | some.just(Progress(total=3)),
    retry_of=some.none() | some.just("op-01k8z3v9q4e8pb6t2rj5m7n0ws"),
)


@given(operations, bases, advice)
def test_the_same_bytes(operation: Operation, base: str, advice: Advice) -> None:
    assert accepted_body(operation, base, advice) == encode(accepted_document(operation, base, advice))
