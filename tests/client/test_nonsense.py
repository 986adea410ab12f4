"""A server that answers anything at all: the client gives a result, raises a `ClientError`, or goes on asking; it never
breaks in another way, and nothing but a terminal status or a last event makes it believe in an end.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accepted.client import ClientError
from accepted.client.step import Answer, Lost
from tests.client.script import CUT, ID, REFUSED, SILENCE, Script

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = [
    "operationId",
    "status",
    "links",
    "progress",
    "result",
    "error",
    "pollInterval",
    "data",
    "pagination",
    "title",
]
GOING_ON = st.sampled_from(["PENDING", "PROCESSING", "DONE", "", "completed", "COMPLETED "])


def documents(status: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Something like a status document, and anything else."""
    likely = st.fixed_dictionaries({"operationId": st.just(ID), "status": status})
    return JSON | st.builds(dict.__or__, st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=4), likely)


HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.sampled_from(["text/event-stream", "application/json", "text/html", ""]),
        "retry-after": st.sampled_from(
            ["0", "1", "-1", "1e9", "soon", "9" * 400, "Wed, 25 Nov 2026 00:00:00 GMT", "²"]
        ),
        "date": st.sampled_from(["now", "Wed, 25 Nov 2026 00:00:00 GMT", "Wed, 25 Nov 2026 00:00:00 -9999"]),
        "location": st.sampled_from(
            ["", "/x", "//x", "http://[", "http://a:b/", "file:///etc/passwd", "https://x/", "\x00"]
        ),
        "etag": st.sampled_from(['"1"', "", "W/"]),
        "content-length": st.sampled_from(["-1", "5", "x", "²"]),
    },
)


def replies(status: st.SearchStrategy[str]) -> st.SearchStrategy[Answer | Lost | bytes]:
    body = st.binary(max_size=20) | documents(status).map(lambda document: json.dumps(document).encode())
    codes = st.sampled_from(
        [200, 200, 200, 202, 204, 206, 301, 302, 303, 304, 307, 400, 401, 404, 409, 410, 418, 429, 500, 503]
    )
    answers = st.builds(
        lambda code, headers, body: Answer(status=code, headers=headers, body=body), codes, HEADERS, body
    )
    names = st.sampled_from(["status-update", "completed", "failed", "reset", "log", "x"])
    events = st.builds(
        lambda name, document: f"id: 1\nevent: {name}\ndata: {json.dumps(document)}\n\n".encode(),
        names,
        documents(status),
    )
    return answers | events | st.binary(max_size=20) | st.sampled_from([CUT, REFUSED, SILENCE])


class Nonsense(Script):
    """Of what it has to say, says only what can be said now."""

    def _next(self, patience: float, kind: type[Any]) -> Any:
        while not isinstance(self._replies[0], (kind, Lost)):
            self._replies.popleft()
        return super()._next(patience, kind)


def outcome(talk: str, given_replies: list[Answer | Lost | bytes]) -> Any:
    """What a conversation comes to; None where it would go on."""
    script = Nonsense(*given_replies)
    place = script.talks.site.place(ID)
    talks = {
        "submit": lambda said: said.submit("/x", None, None, None, None),
        "result": lambda said: said.result(place, None, None),
        "events": lambda said: said.events(place, None, True, 1000.0),
        "cancel": lambda said: said.cancel(place, None),
        "logs": lambda said: said.logs(place, False, None),
        "jobs": lambda said: said.jobs((), (), 3),
    }
    try:
        return "ended", script.run(talks[talk], left=None)
    except ClientError as error:
        return "raised", error
    except IndexError:  # of the script: it has no replies left
        return None


@pytest.mark.parametrize("talk", ["submit", "result", "events", "cancel", "logs", "jobs"])
@settings(max_examples=80, deadline=None)
@given(
    given_replies=st.lists(
        replies(st.sampled_from(["PROCESSING", "COMPLETED", "FAILED", "CANCELLED", "x"])), max_size=8
    )
)
def test_nothing_breaks_it(talk: str, given_replies: list[Any]) -> None:
    outcome(talk, given_replies)


@settings(max_examples=120, deadline=None)
@given(given_replies=st.lists(replies(GOING_ON), max_size=10))
def test_nothing_else_looks_like_an_end(given_replies: list[Any]) -> None:
    given_replies = [each for each in given_replies if not (isinstance(each, Answer) and each.status == 303)]
    found = outcome("events", given_replies)
    assert found is None or found[0] == "raised"
