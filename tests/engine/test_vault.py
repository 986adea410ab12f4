"""Secrets of webhooks at rest: sealed with one key, opened with any, bound to their URL."""

from __future__ import annotations

import base64
import os

import pytest
from msgspec.structs import replace

from accepted.engine.vault import Sealed, Vault
from accepted.knob import SecretKey
from accepted.settings import InvalidSetting, load
from tests.engine.outbox import SECRET, registration

HOOK = registration("https://a.example/hook", secrets=(SECRET, "another secret, older"))


def key() -> SecretKey:
    return SecretKey(os.urandom(32))


def test_what_is_sealed_opens_and_says_nothing() -> None:
    vault = Vault([key()])
    sealed = vault.sealed(HOOK)
    assert sealed.sealed
    assert not any(secret in str(sealed.secrets) for secret in HOOK.secrets)
    assert vault.opened(sealed) == HOOK
    assert vault.sealed(HOOK).secrets != sealed.secrets, "the same secret twice looks like two"


def test_without_a_key_it_stays_as_it_is() -> None:
    assert Vault([]).sealed(HOOK) is HOOK
    assert Vault([]).opened(HOOK) is HOOK


def test_a_new_key_goes_first_and_the_old_one_still_opens() -> None:
    old, new = key(), key()
    sealed = Vault([old]).sealed(HOOK)
    both = Vault([new, old])
    assert both.opened(sealed) == HOOK
    again = both.resealed(sealed)
    assert Vault([new]).opened(again) == HOOK
    assert both.resealed(again) is again
    assert Vault([new]).opened(both.resealed(HOOK)) == HOOK


def test_what_is_not_what_was_stored_does_not_open() -> None:
    vault = Vault([key()])
    sealed = vault.sealed(HOOK)
    name, _, text = sealed.secrets[0].partition(".")
    box = bytearray(base64.b64decode(text))
    box[-1] ^= 1
    broken = f"{name}.{base64.b64encode(box).decode()}"
    for stolen in (
        replace(sealed, url="https://evil.example/hook"),
        replace(sealed, secrets=(broken,)),
    ):
        with pytest.raises(Sealed):
            vault.opened(stolen)
    with pytest.raises(Sealed):
        Vault([key()]).opened(sealed)


def test_keys_are_read_and_never_shown() -> None:
    text = base64.b64encode(os.urandom(32)).decode()
    url_safe = base64.urlsafe_b64encode(os.urandom(32)).decode()
    settings = load({}, {"ACCEPTED_SECRET_KEYS": f"{text}, {url_safe}"})
    assert len(settings.secret_keys) == 2
    assert text not in repr(settings)
    assert repr(settings.secret_keys[0].value) not in repr(settings)
    for bad in ("short", text[:-4], text + "AAAA", "ü" * 44):
        with pytest.raises(InvalidSetting) as refused:
            load({}, {"ACCEPTED_SECRET_KEYS": bad})
        assert bad not in str(refused.value)
