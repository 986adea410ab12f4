"""What can be said to a server of the contract, each as a conversation without I/O; the drivers in `blocking.py` and
`asynchronous.py` only carry it out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import msgspec

from . import typed
from .asking import ask, fetch, read, status_of
from .document import Job, State, parse_object, rows_of
from .error import ResultMismatch, UnexpectedAnswer, ended
from .fetching import Fetcher, Sink
from .following import Follower
from .logbook import Logbook
from .patience import Deadline, Road, Terms
from .site import Credential, Place, Site
from .step import Answer, T, Talk, Tell

ACCEPTED = frozenset({200, 202, 303})
OK = frozenset({200})
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Conversation:
    """Everything that one client can say, to the server whose app is mounted at `url`."""

    def __init__(self, url: str, credential: Credential, terms: Terms, headers: Mapping[str, str]) -> None:
        self.site = Site(url, credential, terms, headers)
        self._terms = terms
        self._road = Road()

    def submit(
        self, path: str, value: Any, key: str | None, webhook: Mapping[str, Any] | None, timeout: float | None
    ) -> Talk[Place]:
        """Where the accepted operation lives. The key makes it the same operation however often it has to be asked."""
        key = uuid4().hex if key is None else key
        if not _KEY.fullmatch(key):
            raise ValueError(f"an idempotency key is 1 to 255 visible ASCII characters, not {key!r}")
        quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
        request = self.site.request("POST", self.site.at(path), {"idempotency-key": quoted}, body=_body(value, webhook))
        answer = yield from ask(request, self._terms, Deadline(self._terms, timeout), ACCEPTED)
        return self._born(request.url, answer)

    def state(self, place: Place) -> Talk[State]:
        """The status document as it is now."""
        request = self.site.request("GET", place.url)
        answer = yield from ask(request, self._terms, Deadline(self._terms, None), frozenset({200, 303}))
        return status_of(place, answer)

    def events(self, place: Place, after: str | None, logs: bool, timeout: float | None) -> Talk[State]:
        """Tells each event until the end."""
        deadline = Deadline(self._terms, timeout)
        follower = Follower(self.site, self._terms, self._road, place, deadline, after=after, logs=logs)
        return (yield from follower.events())

    def wait(self, place: Place, timeout: float | None) -> Talk[State]:
        """The terminal status document. Tells events on the way."""
        known = place.state
        if known is not None and known.ended and known.document.get("links"):
            return known
        follower = self._follower(place, Deadline(self._terms, timeout))
        yield from follower.events()
        return (yield from follower.poll(tell=False))

    def result(self, place: Place, type: Any, timeout: float | None) -> Talk[Any]:
        """What the operation returned, as `type`."""
        deadline = Deadline(self._terms, timeout)
        state = yield from self._end(place, deadline)
        url = self._result_url(place, state)
        answer = yield from fetch(url, self.site, self._terms, deadline)
        return _result(answer.body, answer.headers.get("content-type", ""), type)

    def download(self, place: Place, path: Path, timeout: float | None) -> Talk[Path]:
        """The result as a file. Tells (bytes there, of how many)."""
        deadline = Deadline(self._terms, timeout)
        state = yield from chosen(self._end(place, deadline), lambda event: None)
        fetcher = Fetcher(self.site, self._terms, self._result_url(place, state), Sink(path, place.id))
        return (yield from fetcher.run(deadline))

    def cancel(self, place: Place, reason: str | None) -> Talk[State]:
        """The operation, CANCELLED; asking twice is asking once."""
        body = b"" if reason is None else msgspec.json.encode({"reason": reason})
        request = self.site.request("POST", place.action("cancel"), body=body)
        answer = yield from ask(request, self._terms, Deadline(self._terms, None), OK)
        return read(State.read, read(parse_object, answer.body, request.url), request.url)

    def retry(self, place: Place) -> Talk[Place]:
        """Where the new operation lives; asking twice gives the same one."""
        request = self.site.request("POST", place.action("retry"))
        answer = yield from ask(request, self._terms, Deadline(self._terms, None), ACCEPTED)
        return self._born(request.url, answer)

    def logs(self, place: Place, follow: bool, timeout: float | None) -> Talk[None]:
        """Tells each line: those there are, or with `follow` all until the operation has ended."""
        deadline = Deadline(self._terms, timeout)
        if not follow:
            for line in (yield from Logbook(self.site, self._terms, place).more(deadline)):
                yield Tell(line)
            return
        follower = Follower(self.site, self._terms, self._road, place, deadline, logs=True)
        yield from chosen(follower.events(), lambda event: event.line)

    def jobs(self, status: str | Iterable[str], type: str | Iterable[str], limit: int | None) -> Talk[None]:
        """Tells rows of the list of operations, newest first."""
        query = [("status", value) for value in _all(status)] + [("type", value) for value in _all(type)]
        cursor: list[tuple[str, str]] = []
        left = limit
        while left is None or left > 0:
            size = 100 if left is None else min(left, 100)
            url = f"{self.site.at('jobs')}?{urlencode([*query, ('limit', str(size)), *cursor])}"
            answer = yield from ask(self.site.request("GET", url), self._terms, Deadline(self._terms, None), OK)
            page = read(parse_object, answer.body, url)
            rows = [read(Job.read, row, url) for row in read(rows_of, page, url)]
            for row in rows:
                yield Tell(row)
            left = None if left is None else left - len(rows)
            pagination = page.get("pagination")
            following = pagination.get("next") if isinstance(pagination, dict) else None
            if not rows or not isinstance(following, str):
                return
            cursor = [("cursor", following)]

    def _born(self, url: str, answer: Answer) -> Place:
        """Where the operation lives that an answer tells of."""
        state: State = read(State.read, read(parse_object, answer.body, url), url)
        given = (state.document.get("statusUrl"), state.links.get("self"), answer.headers.get("location"))
        links = given[:2] if answer.status == 303 else given  # whose Location is the result's
        link = next((each for each in links if isinstance(each, str)), None)
        place = self.site.place(state.operation_id)
        if link is not None:
            place = Place(Place(url, place.id).absolute(link), place.id)
        place.learn(state)
        return place

    def _follower(self, place: Place, deadline: Deadline) -> Follower:
        return Follower(self.site, self._terms, self._road, place, deadline)

    def _end(self, place: Place, deadline: Deadline) -> Talk[State]:
        """The end with a result, as whoever tells it first does: the last event is enough. Raises `Ended`."""
        state = place.state
        if state is None or not state.ended:
            state = yield from self._follower(place, deadline).events()
        if (why := ended(state)) is not None:
            raise why
        return state

    def _result_url(self, place: Place, state: State) -> str:
        given = (state.result or {}).get("url") or state.links.get("result")
        return place.absolute(given) if isinstance(given, str) else f"{place.url}/result"


def chosen(talk: Talk[T], choice: Callable[[Any], Any]) -> Talk[T]:
    """The same conversation; of what it tells, what `choice` makes of it, if anything."""
    reply = None
    while True:
        try:
            step = talk.send(reply)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # StopIteration knows no types
        if not isinstance(step, Tell):
            reply = yield step
            continue
        reply = None
        if (item := choice(step.item)) is not None:
            yield Tell(item)


def _all(names: str | Iterable[str]) -> Iterable[str]:
    return [names] if isinstance(names, str) else names


def _body(value: Any, webhook: Mapping[str, Any] | None) -> bytes:
    """The input as JSON, and beside it where to send news; b"" for an operation that takes nothing."""
    if webhook is None:
        return b"" if value is None else typed.to_json(value)
    members = {} if value is None else msgspec.json.decode(typed.to_json(value))
    if not isinstance(members, dict):
        raise ValueError("a webhook is a member of the input, so the input has to be an object")
    return msgspec.json.encode({**members, "webhook": dict(webhook)})


def _result(body: bytes, media: str, type: Any) -> Any:
    if type is bytes:
        return body
    kind = media.partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        if type is None:
            return body
        raise ResultMismatch(f"the result is {kind or 'of no media type'}, which is read as bytes or downloaded")
    try:
        return typed.from_json(body, type)
    except (ValueError, TypeError) as error:
        if type is None:
            raise UnexpectedAnswer(f"the result is no JSON: {error}") from None
        raise ResultMismatch(f"the result does not fit {getattr(type, '__name__', type)}: {error}") from error
