"""What a client registers with a submit (contract, section 7)."""

from __future__ import annotations

from typing import Any

import pytest

from accepted.contract.address import Rules
from accepted.contract.problem import InvalidRequest
from accepted.contract.webhook import Webhook, webhook

URL = "https://client.example.com/hooks"
SECRET = "a secret of a client"
ENTROPY = bytes(range(32))


def registered(**members: Any) -> Webhook:
    return webhook({"url": URL, **members}, "https://api.example", Rules(), ENTROPY)


def test_all_ends_are_told_unless_events_are_named() -> None:
    assert registered().registration.events == ("COMPLETED", "FAILED", "CANCELLED")
    assert registered(events=["FAILED", "STARTED", "FAILED"]).registration.events == ("STARTED", "FAILED")


def test_a_secret_is_taken_as_it_is_given() -> None:
    found = registered(secret=SECRET)
    assert (found.registration.secrets, found.minted) == ((SECRET,), False)


def test_without_one_a_secret_is_minted() -> None:
    found = registered()
    assert found.minted
    assert found.registration.secrets == ("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",)


def test_there_may_be_two_while_one_is_replaced() -> None:
    assert registered(secrets=[SECRET, "the older one of both"]).registration.secrets == (
        SECRET,
        "the older one of both",
    )


@pytest.mark.parametrize(
    "secret",
    ["x" * 16, "x" * 64, "ü" * 8, "ü" * 32, "whsec_" + "A" * 22 + "==", "whsec_" + "A" * 86 + "=="],
)
def test_secrets_of_16_to_64_bytes_fit(secret: str) -> None:
    assert registered(secret=secret).registration.secrets == (secret,)


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"url": 7}, "/webhook/url"),
        ({"events": []}, "/webhook/events"),
        ({"events": "FAILED"}, "/webhook/events"),
        ({"events": ["FAILED", "EXPLODED"]}, "/webhook/events/1"),
        ({"events": [["FAILED"]]}, "/webhook/events/0"),
        ({"events": ["COMPLETED_WITH_ERRORS"]}, "/webhook/events/0"),
        ({"secret": "x" * 15}, "/webhook/secret"),
        ({"secret": "x" * 65}, "/webhook/secret"),
        ({"secret": "ü" * 33}, "/webhook/secret"),
        ({"secret": "whsec_" + "A" * 20}, "/webhook/secret"),
        ({"secret": "whsec_no base64 at all, but long enough"}, "/webhook/secret"),
        ({"secret": "\ud800" * 20}, "/webhook/secret"),
        ({"secret": 16}, "/webhook/secret"),
        ({"secrets": []}, "/webhook/secrets"),
        ({"secrets": SECRET}, "/webhook/secrets"),
        ({"secrets": [SECRET] * 3}, "/webhook/secrets"),
        ({"secrets": [SECRET, "short"]}, "/webhook/secrets/1"),
        ({"secret": SECRET, "secrets": [SECRET]}, "/webhook/secrets"),
        ({"secert/": SECRET}, "/webhook/secert~1"),
    ],
)
def test_what_does_not_fit_is_pointed_at(members: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        registered(**members)
    (error,) = refused.value.members["errors"]
    assert error["pointer"] == pointer
    assert SECRET not in str(refused.value.members)


@pytest.mark.parametrize("value", [True, URL, [URL], 7])
def test_it_is_an_object(value: object) -> None:
    with pytest.raises(InvalidRequest):
        webhook(value, "https://api.example", Rules(), ENTROPY)


def test_urls_in_a_delivery_have_to_begin_somewhere() -> None:
    with pytest.raises(InvalidRequest, match="does not fit"):
        webhook({"url": URL}, "/ops", Rules(), ENTROPY)


def test_a_registration_does_not_tell_its_secret_when_it_is_printed() -> None:
    found = registered(secret=SECRET)
    assert SECRET not in repr(found)
    assert SECRET not in str(found.registration)


def test_the_record_knows_events_and_host_and_no_more() -> None:
    subscription = registered(url="https://client.example.com:8443/a?token=b").registration.subscription
    assert (subscription.host, subscription.events) == ("client.example.com:8443", ("COMPLETED", "FAILED", "CANCELLED"))
