"""An operation followed to its end: by its stream while that comes through, by polling where it does not.

What ends it is what says so: the last event, or a status document that is terminal. A connection that ends says
nothing; it is opened again after the last event that came whole. A stream that says nothing for longer than a server
can be silent (it has a heartbeat of 15 seconds) is kept back by a proxy, and three in a row that break before their
first event or are refused will not do better the fourth time: then the operation is polled.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlencode

from ..contract.frame import KINDS
from .asking import ask, status_of, trouble
from .document import Event, LogLine, State, Unreadable, parse_object
from .error import ClientError, Unreachable
from .eventstream import Message, Parser, TooLong
from .logbook import Logbook
from .patience import Deadline, Patience, Road, Terms, poll_pause
from .site import Place, Site
from .step import Answer, Close, Lost, Open, Read, Request, Talk, Tell, Wait

CHANCES = 3
SHORTER = 0.75  # a read cannot be shortened once it has begun; near a deadline the stream is opened again
_POSITION = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,15}))?")
_STATES = frozenset({200, 303, 304})


class Cut(NamedTuple):
    """The stream broke by `error`, and `after` so many seconds the server may be asked again; without one at once."""

    error: ClientError | None = None
    after: float | None = None


class Follower:
    """One caller's way through the events of one operation; after the event with the id `after`, or from now on."""

    def __init__(
        self,
        site: Site,
        terms: Terms,
        road: Road,
        place: Place,
        deadline: Deadline,
        *,
        after: str | None = None,
        logs: bool = False,
    ) -> None:
        self._site = site
        self._terms = terms
        self._road = road
        self._place = place
        self._deadline = deadline
        self._patience = Patience(terms, deadline)
        self._logs = Logbook(site, terms, place) if logs else None
        self._last = after
        self._shown: object = None
        self._fruitless = 0
        self._silences = 0

    def events(self) -> Talk[State]:
        """Tells each event; returns the state with the end, as the last event or the status document has it."""
        while self._place.stream is not None and self._road.streams(self._terms.now()):
            heard = yield from self._listen(self._place.stream)
            if isinstance(heard, State):
                return heard
            if heard is None or self._fruitless >= CHANCES:
                break
            if heard.error is not None:
                yield Wait(self._patience.pause(heard.error, heard.after))
            self._deadline.check()
        return (yield from self.poll())

    # --- streaming

    def _listen(self, url: str) -> Talk[State | Cut | None]:
        """One connection: the state with the end, how it broke, or None where polling will do better."""
        request = self._request(url)
        answer = yield Open(request)
        if isinstance(answer, Lost):
            return self._silent(heard=False) if answer.silent else Cut(Unreachable(f"no answer from {url}"))
        if answer.status == 204:  # whoever resumes has seen all there is
            return (yield from self.poll(tell=False))
        if answer.status != 200:
            return self._refused(request, answer)
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            yield Close()
            return None
        outcome = yield from self._read(request.timeout)
        yield Close()
        return outcome

    def _request(self, url: str) -> Request:
        if self._logs is not None:
            url += ("&" if "?" in url else "?") + urlencode({"logs": "true"})
        resumed = {} if self._last is None else {"last-event-id": self._last}
        quiet = min(self._terms.quiet, self._deadline.left())
        live = {"accept": "text/event-stream", "accept-encoding": "identity", "cache-control": "no-cache"}
        return self._site.request("GET", url, live | resumed, timeout=quiet)

    def _refused(self, request: Request, answer: Answer) -> Cut | None:
        """A stream may be refused where a poll is not; what is wrong with the operation, the poll will say."""
        self._fruitless += 1
        try:
            return Cut(*trouble(request, answer, self._fruitless))
        except ClientError:
            return None

    def _silent(self, *, heard: bool) -> Cut | None:
        self._deadline.check()
        self._silences += 1
        if heard and self._silences < 2:
            return Cut()
        self._road.kept_back(self._terms.now())
        return None

    def _read(self, quiet: float) -> Talk[State | Cut | None]:
        parser, heard = Parser(), False
        self._fruitless += 1  # until an event has come
        while True:
            part = yield Read(min(quiet, self._deadline.left()))
            if isinstance(part, Lost) and part.silent:
                return self._silent(heard=heard)
            if isinstance(part, Lost) or not part:
                why = part.why if isinstance(part, Lost) else "it ended before the operation"
                return Cut(Unreachable(f"the stream of {self._place.id} broke: {why}"), parser.retry)
            heard = True
            try:
                for message in parser.feed(part):
                    state = yield from self._take(message)
                    if state is not None:
                        return state
            except (Unreadable, TooLong):  # no events as the contract has them
                return None
            if self._deadline.left() < SHORTER * quiet:
                self._deadline.check()
                return Cut()

    def _take(self, message: Message) -> Talk[State | None]:
        """Tell an event, once; the state with the end, if it is that."""
        self._fruitless = self._silences = 0
        self._patience.rewarded()
        if message.name != "reset" and not _newer(message.id, self._last):
            return None
        event = _event(message)
        if self._logs is not None and event.line is not None:
            self._logs.last = event.line.sequence
        yield Tell(event)  # before it counts as seen: who stops here has not had it
        self._last = message.id or self._last
        self._shown = _gist(event.state) if event.state is not None else self._shown
        if event.state is None or not event.last:
            return None
        self._place.state = event.state
        return event.state

    # --- polling

    def poll(self, *, tell: bool = True) -> Talk[State]:
        """Ask for the status until it is terminal, as seldom as the server wants; tells what has changed."""
        tag = ""
        while True:
            state, answer = yield from self._look(tag)
            tag = answer.headers.get("etag", tag)
            if tell and answer.status != 304:
                yield from self._show(state)
            if state.ended:
                return state
            pause = poll_pause(answer.headers, state.poll_interval, self._terms)
            yield Wait(min(pause, self._deadline.left()))

    def _look(self, tag: str) -> Talk[tuple[State, Answer]]:
        known = {"if-none-match": tag} if tag else {}
        request = self._site.request("GET", self._place.url, known, timeout=self._deadline.left())
        answer = yield from ask(request, self._terms, self._deadline, _STATES)
        known_state = self._place.state
        if answer.status == 304 and known_state is not None:
            return known_state, answer
        return status_of(self._place, answer), answer

    def _show(self, state: State) -> Talk[None]:
        for line in [] if self._logs is None else (yield from self._logs.more(self._deadline)):
            yield Tell(Event(name="log", document=line.document, line=line))
        if state.ended or _gist(state) != self._shown:
            self._shown = _gist(state)
            yield Tell(Event(name=KINDS.get(state.status, "status-update"), document=state.document, state=state))


def _event(message: Message) -> Event:
    """Raises `Unreadable`."""
    document = parse_object(message.data.encode())
    if message.name == "log":
        return Event(name="log", id=message.id or None, document=document, line=LogLine.read(document))
    return Event(name=message.name, id=message.id or None, document=document, state=State.told(document))


def _newer(id: str, last: str | None) -> bool:
    """Whether an event comes after the last one; what is no position of ours is taken as it comes."""
    one, other = _POSITION.fullmatch(id), _POSITION.fullmatch(last or "")
    if one is None or other is None:
        return True
    return (int(one[1]), int(one[2] or 0)) > (int(other[1]), int(other[2] or 0))


def _gist(state: State) -> object:
    return state.status, state.attempt, state.progress
