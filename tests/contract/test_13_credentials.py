"""Roles, keys and tickets as values."""

from __future__ import annotations

import pytest

from accepted.contract.caller import ANYBODY, GRANTS, Caller, Role, Rule, roles
from accepted.contract.credential import KEY, KEY_ENTROPY, TICKET, TICKET_ENTROPY, key_id, new_key, new_ticket
from tests.contract.given import NOW

AT = NOW.wall
READER = frozenset({Role.READ})


def test_the_table_of_roles() -> None:
    allowed = {role: {rule.value for rule in Rule if Caller("acme", frozenset({role})).may(rule)} for role in Role}
    assert allowed == {
        Role.SUBMIT: {"public", "known", "submit", "cancel"},
        Role.READ: {"public", "known", "read"},
        Role.CANCEL: {"public", "known", "cancel"},
        Role.ADMIN: {rule.value for rule in Rule},
    }
    assert set(GRANTS) == set(Role)


def test_only_an_admin_sees_the_operations_of_others() -> None:
    assert [Caller("acme", frozenset({role})).sees for role in Role] == ["acme", "acme", "acme", None]
    assert ANYBODY.sees == ""


@pytest.mark.parametrize("given", ["submit,read", "read submit", ["read", "submit"], {"submit": 1, "read": 2}])
def test_roles_are_read_from_words(given: object) -> None:
    assert roles(given) == {Role.SUBMIT, Role.READ}
    assert Caller("acme", given) == Caller("acme", frozenset({Role.READ, Role.SUBMIT}))  # type: ignore[arg-type]  # as users write it


@pytest.mark.parametrize("given", ["root", ["read", "write"], 7, [["read"]], None])
def test_other_words_are_no_roles(given: object) -> None:
    with pytest.raises(ValueError, match="roles are submit, read, cancel, admin"):
        Caller("acme", given)  # type: ignore[arg-type]


def test_a_key_has_a_form_that_a_scanner_knows_and_256_random_bits() -> None:
    key, token = new_key("acme", READER, bytes(range(KEY_ENTROPY)), AT)
    assert KEY.fullmatch(token)
    assert key_id(token) == key.id
    assert token.startswith(key.id)
    secrets = {new_key("acme", READER, bytes(8) + bytes([n]) + bytes(31), AT)[1] for n in range(256)}
    assert len(secrets) == 256
    assert TICKET.fullmatch(new_ticket(bytes(TICKET_ENTROPY)))


def test_a_key_knows_its_secret_and_does_not_tell() -> None:
    key, token = new_key("acme", READER, bytes(KEY_ENTROPY), AT)
    assert key.opens(token)
    assert not key.opens(token[:-1] + "1")
    assert token[17:] not in repr(key)


@pytest.mark.parametrize("token", ["", "ak_", "ak_" + "0" * 66, "AK_" + "0" * 13 + "_" + "0" * 52, "tk_" + "0" * 52])
def test_what_has_not_the_form_of_a_key_names_none(token: str) -> None:
    assert key_id(token) is None


def test_a_key_ends_by_its_date_by_a_rotation_or_at_once() -> None:
    key, _ = new_key("acme", READER, bytes(KEY_ENTROPY), AT, expires_at=AT + 10)
    assert [key.is_valid(AT + after) for after in (0, 9, 10)] == [True, True, False]
    assert key.ending(AT + 5).expires_at == AT + 5
    assert key.ending(AT + 50).expires_at == AT + 10
    assert not key.revoked(AT).is_valid(AT)
    assert key.revoked(AT).revoked(AT + 5).revoked_at == AT
    assert [key.state(AT), key.state(AT + 10), key.revoked(AT).state(AT)] == ["active", "expired", "revoked"]
