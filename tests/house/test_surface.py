"""The public surface is what is written down here, and every name of it speaks for itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

import accepted
from accepted import client, webhooks
from tests.house.surface import silent

# A name added here is a promise to every user: it goes to the CHANGELOG too.
EXPORTS = ["Accepted", "Artifact", "AsyncClient", "Attempt", "Caller", "Cancelled", "Client", "Failure", "Handle"]


def test_the_exports_are_those_written_down() -> None:
    assert sorted(accepted.__all__) == EXPORTS


@pytest.mark.parametrize("name", EXPORTS)
def test_every_public_name_has_a_docstring(name: str) -> None:
    assert list(silent(name, getattr(accepted, name))) == []


def test_receivers_of_webhooks_have_a_surface_of_their_own() -> None:
    assert sorted(webhooks.__all__) == ["Event", "InvalidSignature", "verify"]
    assert [name for name in webhooks.__all__ for _ in silent(name, getattr(webhooks, name))] == []


def test_what_the_client_has_to_offer_speaks_for_itself() -> None:
    assert [name for name in client.__all__ for _ in silent(name, getattr(client, name))] == []


class Loud:
    """Says what it is."""

    def speak(self) -> None:
        """Says what it does."""

    def _inner(self) -> None: ...


class Silent(Loud):
    def speak(self) -> None: ...

    @property
    def mood(self) -> str:
        return ""

    @classmethod
    def born(cls) -> None: ...


@dataclass
class Record:
    number: int


def bare() -> None: ...


@pytest.mark.parametrize(
    ("thing", "found"),
    [
        (Loud, []),
        (Silent, ["it", "it.speak", "it.mood", "it.born"]),
        (Record, ["it"]),
        (bare, ["it"]),
    ],
)
def test_silence_is_heard(thing: Callable[..., object], found: list[str]) -> None:
    assert list(silent("it", thing)) == found
