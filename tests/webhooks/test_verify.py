"""`accepted.webhooks.verify`, for programs that receive (contract, section 7)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook

from accepted import webhooks
from accepted.contract.signature import minted, standard_signature

ID = "dlv-01m880z9peed384am5ws02c1ph-3"
NOW = 1_767_225_600
TEXT, ENCODED = "a secret of a client", minted(bytes(range(32)))
DOCUMENT = {
    "event": "COMPLETED",
    "operationId": "op-01m880z9peed384am5ws02c1ph",
    "status": "COMPLETED_WITH_ERRORS",
    "timestamp": "2026-01-01T00:00:00.000Z",
    "sequence": 3,
    "result": {"rows": 3, "url": "https://api.example/operations/op-01/result"},
}
BODY = msgspec.json.encode(DOCUMENT)


def headers(secret: str = TEXT, at: int = NOW, body: bytes = BODY) -> dict[str, str]:
    signature = standard_signature(ID, at, body, [secret])
    return {"webhook-id": ID, "webhook-timestamp": str(at), "webhook-signature": signature}


@pytest.mark.parametrize("secret", [TEXT, ENCODED])
def test_what_is_signed_is_an_event(secret: str) -> None:
    event = webhooks.verify(headers(secret), BODY, secret, now=NOW)
    assert event == webhooks.Event(
        id=ID,
        event="COMPLETED",
        operation_id="op-01m880z9peed384am5ws02c1ph",
        status="COMPLETED_WITH_ERRORS",
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        sequence=3,
        result={"rows": 3, "url": "https://api.example/operations/op-01/result"},
    )


def test_what_the_library_has_signed_is_taken_as_well() -> None:
    at = datetime.fromtimestamp(NOW, UTC)
    signature = Webhook(ENCODED).sign(ID, at, BODY.decode())
    assert webhooks.verify({**headers(), "webhook-signature": signature}, BODY, ENCODED, now=NOW).id == ID


def test_now_is_now_unless_told_otherwise() -> None:
    assert webhooks.verify(headers(at=int(time.time())), BODY, TEXT).id == ID
    with pytest.raises(webhooks.InvalidSignature):
        webhooks.verify(headers(), BODY, TEXT)


@pytest.mark.parametrize(
    "form",
    [
        lambda found: {name.upper(): value for name, value in found.items()},
        lambda found: list(found.items()),
        lambda found: [(name.encode(), value.encode()) for name, value in found.items()],
        lambda found: {"Other": "x", **{name.title(): value for name, value in found.items()}},
    ],
)
def test_headers_come_in_many_forms(form: Any) -> None:
    assert webhooks.verify(form(headers()), BODY, TEXT, now=NOW).id == ID
    assert webhooks.verify(form(headers()), BODY.decode(), TEXT, now=NOW).id == ID


def test_while_a_secret_is_replaced_either_will_do() -> None:
    both = {**headers(), "webhook-signature": standard_signature(ID, NOW, BODY, [ENCODED, TEXT])}
    for secret in (TEXT, ENCODED, [ENCODED, TEXT], ("another one of mine", TEXT)):
        assert webhooks.verify(both, BODY, secret, now=NOW).id == ID
    with pytest.raises(webhooks.InvalidSignature):
        webhooks.verify(both, BODY, "another one of mine", now=NOW)
    with pytest.raises(webhooks.InvalidSignature):
        webhooks.verify(both, BODY, [], now=NOW)


@pytest.mark.parametrize("off", [-300, 300])
def test_clocks_may_differ_by_five_minutes(off: int) -> None:
    assert webhooks.verify(headers(), BODY, TEXT, now=NOW + off).id == ID
    beyond = NOW + off + (1 if off > 0 else -1)
    with pytest.raises(webhooks.InvalidSignature, match="timestamp"):
        webhooks.verify(headers(), BODY, TEXT, now=beyond)
    assert webhooks.verify(headers(), BODY, TEXT, now=beyond, tolerance=301).id == ID


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "dlv-other"},
        {"webhook-id": ""},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "²"},
        {"webhook-timestamp": "9" * 50},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,ü"},
        {"webhook-signature": headers(ENCODED)["webhook-signature"]},
        {"webhook-signature": headers()["webhook-signature"].replace("v1,", "v2,")},
    ],
)
def test_what_was_changed_on_the_way_is_refused(changed: Mapping[str, str]) -> None:
    with pytest.raises(webhooks.InvalidSignature):
        webhooks.verify({**headers(), **changed}, BODY, TEXT, now=NOW)


def test_a_changed_body_is_refused_and_so_are_missing_headers() -> None:
    with pytest.raises(webhooks.InvalidSignature):
        webhooks.verify(headers(), BODY + b" ", TEXT, now=NOW)
    with pytest.raises(webhooks.InvalidSignature):
        webhooks.verify({}, BODY, TEXT, now=NOW)


def test_the_older_form_alone_is_not_enough_because_it_can_be_replayed() -> None:
    with pytest.raises(webhooks.InvalidSignature):
        webhooks.verify({"X-Webhook-Signature": "sha256=whatever"}, BODY, TEXT, now=NOW)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"not json", b'{"event":7}'])
def test_what_is_signed_but_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(webhooks.InvalidSignature, match="no event"):
        webhooks.verify(headers(body=body), body, TEXT, now=NOW)


def test_members_that_are_added_later_do_no_harm() -> None:
    body = msgspec.json.encode({**DOCUMENT, "later": True})
    assert webhooks.verify(headers(body=body), body, TEXT, now=NOW).event == "COMPLETED"
