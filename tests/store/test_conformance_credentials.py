"""Keys and tickets in a store: every change is seen by everybody, and a ticket opens once."""

from __future__ import annotations

import asyncio

from accepted.contract.caller import Caller, Role
from accepted.contract.credential import KEY_ENTROPY, ApiKey, Ticket, digest, new_key
from accepted.store.protocol import Store
from tests.contract.given import NOW
from tests.store.clock import MovableClock
from tests.store.conftest import OpenStore

CALLER = Caller("acme", frozenset({Role.READ}), "ak_1", NOW.wall + 60_000)


def made(number: int, owner: str = "acme") -> ApiKey:
    return new_key(owner, frozenset({Role.READ, Role.SUBMIT}), bytes([number] * KEY_ENTROPY), NOW.wall, name="ci")[0]


async def test_a_key_is_found_by_everybody_as_it_was_kept(store: Store, open_store: OpenStore) -> None:
    other = await open_store()
    assert await other.credentials.keys() == []
    key = made(1)
    await store.credentials.add_key(key)
    (found,) = await other.credentials.keys()
    assert (found.id, found.owner, found.roles, found.digest, found.name) == (
        key.id,
        "acme",
        key.roles,
        key.digest,
        "ci",
    )
    assert found.revision > 0


async def test_only_what_has_changed_since_is_told(store: Store) -> None:
    for number in (1, 2, 3):
        await store.credentials.add_key(made(number))
    keys = await store.credentials.keys()
    assert [key.id for key in keys] == [made(number).id for number in (1, 2, 3)]
    seen = keys[-1].revision
    assert await store.credentials.keys(seen) == []
    await store.credentials.change_key(keys[0].id, lambda key: key.revoked(NOW.wall))
    (changed,) = await store.credentials.keys(seen)
    assert changed.id == keys[0].id
    assert changed.revoked_at == NOW.wall
    assert len(await store.credentials.keys()) == 3


async def test_a_key_that_is_not_there_cannot_change(store: Store) -> None:
    assert await store.credentials.change_key("ak_none", lambda key: key) is None


async def test_nobody_misses_a_change_among_many_at_once(store: Store, open_store: OpenStore) -> None:
    """Whoever looks again and again sees each key, in whatever order the changes were committed."""
    other = await open_store()
    seen: dict[str, ApiKey] = {}
    revision = 0
    writing = asyncio.gather(
        *(home.credentials.add_key(made(n)) for n, home in enumerate([store, other] * 20)),
    )
    while True:
        done = writing.done()
        for key in await other.credentials.keys(revision):
            seen[key.id], revision = key, key.revision
        if done:
            break
    await writing
    assert len(seen) == 40
    assert len({key.revision for key in seen.values()}) == 40


async def test_two_changes_of_one_key_both_hold(store: Store, open_store: OpenStore) -> None:
    other = await open_store()
    key = made(1)
    await store.credentials.add_key(key)
    await asyncio.gather(
        store.credentials.change_key(key.id, lambda key: key.revoked(NOW.wall)),
        other.credentials.change_key(key.id, lambda key: key.ending(NOW.wall + 5)),
    )
    (found,) = await store.credentials.keys()
    assert (found.revoked_at, found.expires_at) == (NOW.wall, NOW.wall + 5)


async def test_a_ticket_opens_once_whoever_asks(store: Store, open_store: OpenStore) -> None:
    stores = [store, await open_store()]
    ticket = Ticket(CALLER, NOW.wall + 30_000, "op-1")
    await store.credentials.add_ticket(digest("tk_1"), ticket)
    taken = await asyncio.gather(*(stores[n % 2].credentials.take_ticket(digest("tk_1")) for n in range(20)))
    assert [found for found in taken if found is not None] == [ticket]
    assert await store.credentials.take_ticket(digest("tk_2")) is None


async def test_a_ticket_opens_nothing_after_its_time(store: Store, clock: MovableClock) -> None:
    await store.credentials.add_ticket(digest("tk_1"), Ticket(CALLER, NOW.wall + 30_000))
    clock.advance(30_000)
    assert await store.credentials.take_ticket(digest("tk_1")) is None


async def test_tickets_that_nobody_used_go_by_themselves(store: Store, clock: MovableClock) -> None:
    await store.credentials.add_ticket(digest("tk_1"), Ticket(CALLER, NOW.wall + 30_000))
    clock.advance(30_000)
    await store.credentials.add_ticket(digest("tk_2"), Ticket(CALLER, NOW.wall + 60_000))
    clock.move(wall=-10_000)  # it would be valid again, if it were still there
    assert await store.credentials.take_ticket(digest("tk_1")) is None
    assert await store.credentials.take_ticket(digest("tk_2")) is not None
