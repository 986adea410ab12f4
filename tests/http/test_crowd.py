"""How many connections there may be, and how long each may keep us waiting (guarantee Q1)."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from accepted.crowd import Crowd, Limits, Queue


class Somebody:
    """A connection that remembers what was said to it."""

    def __init__(self) -> None:
        self.queue: Queue | None = None
        self.heard: list[str] = []

    def late(self, queue: Queue) -> None:
        self.heard.append("late")

    def leave(self) -> None:
        self.heard.append("leave")


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_bytes_buy_no_time(clock: Clock) -> None:
    crowd, slow = Crowd(Limits(head=10), clock), Somebody()
    assert crowd.enter(slow, "192.0.2.1")
    for _ in range(10):
        clock.now += 1
        crowd.wait(slow, crowd.head)
        crowd.look()
    assert slow.heard == ["late"]


async def test_only_who_is_late_is_sent_away(clock: Clock) -> None:
    crowd, early, late, done = Crowd(Limits(head=10), clock), Somebody(), Somebody(), Somebody()
    crowd.enter(late, "192.0.2.1")
    crowd.enter(done, "192.0.2.1")
    crowd.wait(done, None)
    clock.now = 9
    crowd.enter(early, "192.0.2.1")
    clock.now = 11
    crowd.look()
    assert (early.heard, late.heard, done.heard) == ([], ["late"], [])


async def test_the_longest_idle_makes_place_and_those_who_ask_do_not(clock: Clock) -> None:
    crowd = Crowd(Limits(connections=2), clock)
    first, second, third, fourth = (Somebody() for _ in range(4))
    for member in (first, second):
        assert crowd.enter(member, "192.0.2.1")
        crowd.wait(member, crowd.idle)
    assert crowd.enter(third, "192.0.2.1")
    assert first.heard == ["leave"]
    crowd.left("192.0.2.1")
    crowd.wait(second, None)
    assert not crowd.enter(fourth, "192.0.2.1")
    assert second.heard == []


async def test_a_trusted_proxy_may_have_as_many_as_there_are(clock: Clock) -> None:
    crowd = Crowd(Limits(per_address=1, trusted=(ip_network("192.0.2.0/24"),)), clock)
    assert [crowd.enter(Somebody(), "192.0.2.1") for _ in range(3)] == [True, True, True]
    assert [crowd.enter(Somebody(), "198.51.100.1") for _ in range(2)] == [True, False]
    crowd.left("198.51.100.1")
    assert crowd.enter(Somebody(), "198.51.100.1")
