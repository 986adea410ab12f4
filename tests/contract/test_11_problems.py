"""Problems and refusals (contract, section 11): slugs are unique, statuses fit, users' failures stay within bounds."""

from __future__ import annotations

import re

import pytest

from accepted.contract.problem import (
    OPERATION_PROBLEMS,
    Failure,
    IdempotencyKeyReused,
    OperationNotCancellable,
    OperationNotFound,
    Overloaded,
    Problem,
    Refusal,
    StaleAttempt,
    WorkerLost,
    catalogue,
)

REFUSALS = Refusal.__subclasses__()


def test_the_catalogue_explains_each_problem_once() -> None:
    entries = list(catalogue())
    slugs = [slug for slug, *_ in entries]
    assert len(slugs) == len(set(slugs))
    assert set(OPERATION_PROBLEMS) < set(slugs)
    for slug, title, status, explanation in entries:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", slug)
        assert title
        assert explanation.endswith(".")
        assert status is None or 400 <= status <= 599


def test_only_what_is_said_to_workers_is_not_in_it() -> None:
    assert {refusal for refusal in REFUSALS if not refusal.explanation} == {StaleAttempt, WorkerLost}


@pytest.mark.parametrize(
    ("slug", "status"),
    [
        ("invalid-json", 400),
        ("invalid-request", 422),
        ("invalid-parameter", 422),
        ("unsupported-media-type", 415),
        ("body-too-large", 413),
        ("invalid-idempotency-key", 400),
        ("idempotency-key-reused", 422),
        ("not-found", 404),
        ("method-not-allowed", 405),
        ("operation-not-found", 404),
        ("operation-expired", 410),
        ("result-not-ready", 404),
        ("no-result", 404),
        ("operation-not-cancellable", 409),
        ("operation-not-retryable", 409),
        ("polling-too-fast", 429),
        ("overloaded", 503),
        ("storage-full", 507),
        ("outcome-unknown", 504),
        ("internal-error", 500),
    ],
)
def test_what_the_contract_names_has_its_status(slug: str, status: int) -> None:
    assert {refusal.status for refusal in REFUSALS if refusal.slug == slug} == {status}


def test_a_refusal_is_a_problem() -> None:
    refusal = OperationNotCancellable("The operation is FAILED.", operationStatus="FAILED")
    assert refusal.problem == Problem(
        slug="operation-not-cancellable",
        title="Operation Not Cancellable",
        status=409,
        detail="The operation is FAILED.",
        members={"operationStatus": "FAILED"},
    )
    assert str(refusal) == "The operation is FAILED."
    assert str(IdempotencyKeyReused()) == "Idempotency Key Reused"
    assert Overloaded(retry_after=2).retry_after == 2


def test_not_found_says_the_same_of_everything() -> None:
    assert OperationNotFound().problem == OperationNotFound().problem
    assert OperationNotFound().detail == "There is no operation with this id."


def test_a_failure_becomes_the_problem_of_its_operation() -> None:
    failure = Failure(
        "Orders Missing",
        detail="The warehouse has no orders of March.",
        type="orders-missing",
        status=424,
        retryable=True,
        retry_after=2.5,
        month="2017-03",
    )
    assert failure.problem == Problem(
        "orders-missing",
        "Orders Missing",
        424,
        "The warehouse has no orders of March.",
        True,
        2.5,
        {"month": "2017-03"},
    )


def test_a_failure_needs_no_more_than_a_title() -> None:
    assert Failure("Broken").problem == Problem("operation-failed", "Broken", 500, "Broken", False)


@pytest.mark.parametrize("status", [-1, 0, 200, 303, 399, 600])
def test_a_failure_has_the_status_of_a_failure(status: int) -> None:
    with pytest.raises(ValueError, match="400 to 599"):
        Failure("Fine", status=status)
