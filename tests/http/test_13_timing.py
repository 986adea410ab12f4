"""How long a refusal takes says nothing: about a secret that is nearly right, or about an id that is somebody else's.

A machine is noisy, so both kinds are asked in turn and compared by their medians: what an observer over a network could
use would be far above what is let pass here.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable

from accepted.contract.caller import Role
from accepted.contract.credential import KEY_ENTROPY, new_key
from accepted.contract.problem import OperationNotFound
from tests.http.api import Api

SAMPLES = 10_000


def _medians(*ask: Callable[[], object]) -> list[float]:
    """Nanoseconds of each, asked in turn in random order; two rounds are not counted."""
    taken: list[list[int]] = [[] for _ in ask]
    order = list(range(len(ask)))
    for _ in range(SAMPLES):
        random.shuffle(order)
        for number in order:
            began = time.perf_counter_ns()
            ask[number]()
            taken[number].append(time.perf_counter_ns() - began)
    return [statistics.median(sample[20:]) for sample in taken]


def test_a_secret_that_is_nearly_right_takes_as_long_as_any_other() -> None:
    key, token = new_key("acme", frozenset({Role.READ}), random.randbytes(KEY_ENTROPY), 0)
    last = token[:-1] + ("0" if token[-1] != "0" else "1")
    first = token[:17] + ("0" if token[17] != "0" else "1") + token[18:]
    nearly, hardly = _medians(lambda: key.opens(last), lambda: key.opens(first))
    assert abs(nearly - hardly) < 0.1 * max(nearly, hardly)


async def test_somebody_elses_takes_as_long_as_nothing(idle: Api) -> None:
    theirs = (await idle.app.submit("noop", owner="acme")).id
    unknown = theirs[:-1] + ("0" if theirs[-1] != "0" else "1")
    service = idle.app.service
    taken: dict[str, list[int]] = {theirs: [], unknown: []}
    for _ in range(SAMPLES):
        for id in random.sample((theirs, unknown), 2):
            began = time.perf_counter_ns()
            try:
                await service.get(id, "other")
            except OperationNotFound:
                taken[id].append(time.perf_counter_ns() - began)
    medians = [statistics.median(sample) for sample in taken.values()]
    assert [len(sample) for sample in taken.values()] == [SAMPLES] * 2
    assert abs(medians[0] - medians[1]) < 0.25 * max(medians)
