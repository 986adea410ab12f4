"""Events out of bytes, however they are cut: as the standard's own reader in `tests/sse.py` has them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accepted.client.eventstream import LONGEST, Parser, TooLong
from tests import sse

FIELDS = ["data: {}", "data", "data:  two", "data: ä\u2028", "event: completed", "event", "id: 7", "id", "id: a\0b"]
OTHERS = ["", "", ": still here", "x: y", "retry: 2500", "retry: soon"]
LINES = st.tuples(st.sampled_from(FIELDS + OTHERS), st.sampled_from(["\n", "\r", "\r\n"]))
CUTS = st.lists(st.integers(0, 200), max_size=8)


@example([("data: {}", "\r\n"), ("data", "\n")], [9, 9], "")  # between CR and LF, and again
@given(st.lists(LINES, max_size=30), CUTS, st.sampled_from(["", "\ufeff"]))
def test_any_cut_gives_the_same_events(lines: list[tuple[str, str]], cuts: list[int], mark: str) -> None:
    body = (mark + "".join(line + end for line, end in lines)).encode()
    places = [0, *sorted(cut for cut in cuts if cut <= len(body)), len(body)]
    parser, oracle = Parser(), sse.Parser()
    found = [message for a, b in itertools.pairwise(places) for message in parser.feed(body[a:b])]
    wanted = oracle.feed(body + b"\n" if body.endswith(b"\r") else body)
    assert [(each.name, each.data, each.id) for each in found] == [tuple(each) for each in wanted]
    assert parser.retry == (None if oracle.retry is None else oracle.retry / 1000)


def test_an_event_without_an_end_is_refused() -> None:
    parser = Parser()
    part = b"data: " + b"x" * (1 << 20)
    fed = (message for _ in range(LONGEST // (1 << 20) + 1) for message in parser.feed(part))
    with pytest.raises(TooLong):
        list(fed)
