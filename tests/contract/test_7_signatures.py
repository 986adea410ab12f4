"""Both forms of signature; the library of Standard Webhooks is the judge (guarantees W3 and W8)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from accepted.contract.signature import minted, plain_signature, signed_by, standard_signature

BODY = b'{"event":"COMPLETED"}'
TEXT = "a secret of a client"
MINTED = minted(bytes(range(32)))


def judged(secret: str, signature: str, body: bytes, id: str = "dlv-1") -> None:
    """Raises WebhookVerificationError unless the library takes it."""
    key: str | bytes = secret if secret.startswith("whsec_") else secret.encode()
    now = str(int(time.time()))
    Webhook(key).verify(body, {"webhook-id": id, "webhook-timestamp": now, "webhook-signature": signature})


@given(st.binary(min_size=16, max_size=64), st.dictionaries(st.text(), st.text()))
def test_the_library_takes_what_an_encoded_secret_has_signed(entropy: bytes, document: dict[str, str]) -> None:
    import json

    body = json.dumps(document).encode()
    judged(minted(entropy), standard_signature("dlv-1", int(time.time()), body, [minted(entropy)]), body)


def test_and_what_a_text_has_signed() -> None:
    judged(TEXT, standard_signature("dlv-1", int(time.time()), BODY, [TEXT]), BODY)


def test_while_a_secret_is_replaced_both_are_taken() -> None:
    signature = standard_signature("dlv-1", int(time.time()), BODY, [MINTED, TEXT])
    judged(MINTED, signature, BODY)
    judged(TEXT, signature, BODY)
    assert [part[:3] for part in signature.split(" ")] == ["v1,", "v1,"]


def test_the_older_form_is_keyed_with_the_text_as_given() -> None:
    wanted = hmac.new(MINTED.encode(), BODY, hashlib.sha256).hexdigest()
    assert plain_signature(BODY, [MINTED]) == f"sha256={wanted}"
    first, second = plain_signature(BODY, [MINTED, TEXT]).split(",")
    assert first == f"sha256={wanted}"
    assert second == "sha256=" + hmac.new(TEXT.encode(), BODY, hashlib.sha256).hexdigest()


def test_the_standard_form_is_keyed_with_what_is_encoded() -> None:
    key = base64.b64decode(MINTED.removeprefix("whsec_"))
    wanted = base64.b64encode(hmac.new(key, b"dlv-1.7." + BODY, hashlib.sha256).digest()).decode()
    assert standard_signature("dlv-1", 7, BODY, [MINTED]) == f"v1,{wanted}"


@pytest.mark.parametrize(
    ("id", "at", "body", "secret"),
    [
        ("dlv-2", 7, BODY, TEXT),
        ("dlv-1", 8, BODY, TEXT),
        ("dlv-1", 7, BODY + b" ", TEXT),
        ("dlv-1", 7, BODY, TEXT + "!"),
    ],
)
def test_anything_that_differs_is_noticed(id: str, at: int, body: bytes, secret: str) -> None:
    signature = standard_signature("dlv-1", 7, BODY, [TEXT])
    assert signed_by(signature, "dlv-1", 7, BODY, TEXT)
    assert signed_by(f"v1a,other {signature} v2,unknown", "dlv-1", 7, BODY, TEXT)
    assert not signed_by(signature, id, at, body, secret)
    assert not signed_by("", "dlv-1", 7, BODY, TEXT)
    assert not signed_by("ü", "dlv-1", 7, BODY, TEXT)
