"""How often: token buckets of owners, and of operations that are polled (contract, sections 3 and 11).

A bucket holds `quota` requests and fills again evenly within `window` seconds. All that is kept of it is the moment at
which it will be full (the generic cell rate algorithm), so a check is an addition and a comparison. Buckets are this
process's own: where many web processes share the load, each grants its part (`web_nodes`), so that all of them together
never grant more than the rate.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from ..contract.caller import ANYBODY, Rule
from ..contract.problem import Refusal
from ..contract.traffic import PollingTooFast, RateLimited
from ..knob import Rate
from ..settings import Settings
from .call import Call, Header

POLL_BURST = 20  # polls of one operation that are free (contract, section 3)
MUCH_FASTER = 2  # times as often as the minimal interval asks for; below that nobody is refused
KEPT = 1024  # buckets before those that are full again are looked for


class Throttle:
    """Buckets of one size, by name. `time` gives seconds."""

    def __init__(self, quota: float, window: float, time: Callable[[], float]) -> None:
        self.window = window
        self._interval = window / quota
        self._time = time
        self._full_at: dict[str, float] = {}
        self._kept = KEPT

    def wait(self, name: str) -> float:
        """Seconds until one more would be let in; nothing is taken."""
        full_at = self._full_at.get(name)
        return 0.0 if full_at is None else max(full_at + self._interval - self._time() - self.window, 0.0)

    def take(self, name: str, now: float | None = None) -> float:
        """Seconds to wait, with nothing taken; or 0.0, and one is."""
        now = self._time() if now is None else now
        full_at = max(self._full_at.get(name, now), now) + self._interval
        # A millionth of a second, for numbers that are not exact: whoever has waited as told is let in.
        if full_at - now > self.window + 1e-6:
            return full_at - now - self.window
        self._full_at[name] = full_at
        if len(self._full_at) > self._kept:
            self._forget(now)
        return 0.0

    def left(self, name: str, now: float | None = None) -> tuple[int, int]:
        """How many more are let in now, and the seconds until the bucket is full."""
        now = self._time() if now is None else now
        rest = max(self._full_at.get(name, 0.0) - now, 0.0)
        return int((self.window - rest) / self._interval + 1e-6), math.ceil(rest)

    def _forget(self, now: float) -> None:
        self._full_at = {name: full_at for name, full_at in self._full_at.items() if full_at > now}
        self._kept = max(2 * len(self._full_at), KEPT)


class _Policy:
    """One rate, as owners are held to it and told of it."""

    def __init__(self, name: str, rate: Rate, nodes: int, time: Callable[[], float]) -> None:
        quota = max(rate.quota // nodes, 1)
        self._name = name
        self._time = time
        self._throttle = Throttle(quota, rate.window, time)
        self._left = b'"%s";r=%%d;t=%%d' % name.encode()
        # draft-ietf-httpapi-ratelimit-headers-11: lists of strings with parameters.
        self._told: Header = (b"ratelimit-policy", b'"%s";q=%d;w=%d' % (name.encode(), quota, math.ceil(rate.window)))

    def charge(self, call: Call) -> None:
        """Count a request. Raises `RateLimited`."""
        owner, now = call.caller.owner, self._time()
        wait = self._throttle.take(owner, now)
        call.pace = (self._told, (b"ratelimit", self._left % self._throttle.left(owner, now)))
        if wait:
            raise RateLimited(f"More requests to {self._name} than your rate allows.", retry_after=jittered(wait))


class Pace:
    """What owners, and pollers of one operation, are held to. Who is nobody has no rate of their own."""

    def __init__(self, settings: Settings, time: Callable[[], float]) -> None:
        rates = ((Rule.SUBMIT, "submit", settings.submit_rate), (Rule.READ, "read", settings.read_rate))
        self._policies = {
            rule: _Policy(name, rate, settings.web_nodes, time) for rule, name, rate in rates if rate.quota
        }
        interval = settings.poll_minimum / MUCH_FASTER
        self._polls = Throttle(POLL_BURST, POLL_BURST * interval, time) if interval else None

    def charge(self, call: Call, rule: Rule) -> None:
        """Count a request against its owner's rate. Raises `RateLimited`."""
        if call.caller is not ANYBODY and (policy := self._policies.get(rule)) is not None:
            policy.charge(call)

    def check_poll(self, call: Call, id: str) -> None:
        """Raises `PollingTooFast` for an operation that was polled too often, before anything is read for it.

        Each owner has polls of their own: others must not learn from a 429 that there is something.
        """
        if self._polls is not None and (wait := self._polls.wait(f"{id} {call.caller.owner}")):
            raise _too_fast(wait)

    def polled(self, call: Call, id: str) -> None:
        """Count a poll of an operation that has not ended. Raises `PollingTooFast`."""
        if self._polls is not None and (wait := self._polls.take(f"{id} {call.caller.owner}")):
            raise _too_fast(wait)


def jittered(wait: float) -> float:
    """At least `wait`, and up to a second or a quarter longer: those who wait do not all come back at once."""
    return wait + random.random() * max(wait / 4, 1.0)


def _too_fast(wait: float) -> Refusal:
    detail = "This operation was polled much faster than its pollInterval says."
    return PollingTooFast(detail, retry_after=jittered(wait))
