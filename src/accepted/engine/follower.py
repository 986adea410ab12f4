"""Someone's place in the events of one or many operations: what a stream tells next.

A follower has positions and no buffer. It takes from the channels what is new and, where it has fallen behind them or
comes back after a while, from the store. What has been compacted meanwhile is said with a reset, never passed over in
silence (guarantee E5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

from ..contract.event import Event, event_of
from ..contract.operation import TERMINAL, LogLine, Operation
from ..store.protocol import Store
from .channel import Channel, Told, Waiter
from .relay import Relay

PAGE = 64  # events read for one reader at once, whom they cost some 100 KiB while it does not read on
LINES = 10  # lines may be long: so many are 80 KiB at most, and a reader that does not read may cost no more


class Position(NamedTuple):
    """The last event and the last line of the log that a reader has seen."""

    event: int
    line: int = 0


class News(NamedTuple):
    """One thing to tell, and where the reader stands after it: an event (`told`), a reset with the state to go on
    from, or a line of the log.
    """

    operation_id: str
    position: Position
    told: Told | None
    line: LogLine | None = None
    reset: bool = False


class _Place:
    __slots__ = ("channel", "event", "line")

    def __init__(self, channel: Channel, position: Position) -> None:
        self.channel = channel
        self.event, self.line = position


class Follower(Waiter):
    """A context manager: what it follows is let go at its end.

    A `lasting` one goes on when there is nothing left to follow.
    """

    __slots__ = ("_first", "_lasting", "_logs", "_nudged", "_places", "_relay", "_store", "offer")

    def __init__(self, relay: Relay, store: Store, *, logs: bool = False, lasting: bool = False) -> None:
        super().__init__()
        self.offer: Callable[[Sequence[Told]], bool] | None = None
        """Takes events at once, without waking whoever waits in `news`; False where it cannot. Only for a follower of
        one operation, without its log.
        """
        self._lasting = lasting
        self._nudged = False
        self._relay = relay
        self._store = store
        self._logs = logs
        self._places: dict[str, _Place] = {}
        self._first: list[News] = []

    @property
    def following(self) -> int:
        """How many operations are followed that have not told their end yet."""
        return len(self._places)

    @property
    def over(self) -> bool:
        """Whether nothing more will come: all has been told, or the server is about to stop."""
        return self._relay.ending or not (self._places or self._first or self._lasting)

    @property
    def interrupted(self) -> bool:
        """Whether the server stops while there was more to come."""
        return self._relay.ending and bool(self._places or self._lasting)

    def nudge(self) -> None:
        """Have `news` return now, also with nothing."""
        self._nudged = True
        self.wake()

    def follows(self, operation_id: str) -> bool:
        """Whether there is more to come of this operation."""
        return operation_id in self._places

    # --- what is followed

    def join(self, operation_id: str) -> Channel:
        """Be told of the operation; to be called before it is read, so that nothing falls between."""
        return self._relay.join(operation_id, self, logs=self._logs)

    def leave(self, channel: Channel) -> None:
        """Take back a `join` that came to nothing."""
        self._relay.leave(channel, self, logs=self._logs)

    def begin(self, channel: Channel, operation: Operation, after: Position | None) -> None:
        """Follow an operation as it was read after the join: from now on with its present state, or after a position.

        A position that lies before us or whose history is gone gets a reset.
        """
        self._relay.begin(channel, operation)
        position = self._start(operation, after)
        complete = not self._logs or position.line >= operation.lines
        if operation.terminal and complete and position.event >= operation.sequence:
            self.leave(channel)
        else:
            self._places[operation.id] = _Place(channel, position)
        self.wake()

    def _start(self, operation: Operation, after: Position | None) -> Position:
        """Where to go on from. The end of an operation is told as such, after its log and after a reset."""
        before_end = operation.sequence - 1 if operation.terminal else operation.sequence
        if (
            after is not None
            and after.event <= operation.sequence
            and not (self._logs and after.line > operation.lines)
        ):
            return after
        if after is None and operation.terminal:
            return Position(before_end)
        told = Told(event_of(operation), None)
        self._first.append(News(operation.id, Position(before_end), told, reset=after is not None))
        return Position(before_end)

    def drop(self, operation_id: str) -> bool:
        """Follow an operation no more; whether it was followed."""
        place = self._places.pop(operation_id, None)
        if place is not None:
            self.leave(place.channel)
        return place is not None

    def __enter__(self) -> Self:
        self._relay.followers.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._relay.followers.discard(self)
        for operation_id in list(self._places):
            self.drop(operation_id)

    def wake(self) -> None:
        """There is news."""
        if self.offer is None or self._future is None or not self._offered(self.offer):
            super().wake()

    def _offered(self, offer: Callable[[Sequence[Told]], bool]) -> bool:
        """Whether what is new could be handed over here; the end of an operation never is, for it ends a stream."""
        if len(self._places) != 1 or self._nudged or self._relay.ending:
            return False
        (place,) = self._places.values()
        told = place.channel.since(place.event)
        if not told or told[-1].event.status in TERMINAL:
            return told is not None and not told
        if not offer(told):
            return False
        place.event = told[-1].event.sequence
        return True

    # --- what is new

    async def news(self) -> list[News]:
        """What has come since the last call, at once or as soon as anything does; empty when woken for nothing."""
        while True:
            found, self._first = self._first, []
            for place in () if found else list(self._places.values()):
                found += await self._next(place)
                if len(found) >= PAGE:
                    self.wake()  # the rest comes next time, from where it is kept for all
                    break
            if found or self._nudged or self.over:
                break
            await self.wait()
        self._nudged = False
        return found

    async def _next(self, place: _Place) -> list[News]:
        """What is new of one operation, whose turn then comes after those of all others."""
        if not self._holds(place):
            return []
        found = self._known(place) or await self._read(place)
        if found and self._holds(place):
            self._places[place.channel.id] = self._places.pop(place.channel.id)
        return found

    def _holds(self, place: _Place) -> bool:
        """Whether this place is still the one in its operation: a client may have let it go while we read."""
        return self._places.get(place.channel.id) is place

    def _is_behind(self, place: _Place) -> bool:
        channel = place.channel
        return channel.sequence > place.event or (self._logs and channel.line > place.line)

    def _known(self, place: _Place) -> list[News]:
        """What the channel has; empty also where the store has to be asked."""
        told = place.channel.since(place.event)
        if not self._logs:
            return self._events(place, told) if told else []
        lines = place.channel.lines_since(place.line)
        if told is None or lines is None:
            return []
        return self._lines(place, lines) + self._events(place, told)

    async def _read(self, place: _Place) -> list[News]:
        id = place.channel.id
        if not self._is_behind(place):
            if place.channel.ended:  # who came back with the last event for the rest of the log
                self.drop(id)
            return []
        lines = await self._read_lines(place)
        events = [] if lines else await self._store.events(id, place.event, PAGE)
        if events and events[-1].status in TERMINAL:
            lines = await self._read_lines(place)  # all that came before the end
        told = [Told(event, await self._end(event)) for event in events]
        if not self._holds(place):
            return []
        if lines or len(events) == PAGE:
            self.wake()  # there may be more, and the end has to wait for all lines
        if lines:
            return self._lines(place, lines)
        if not events:
            self.drop(id)  # it has expired
            return []
        if events[0].sequence != place.event + 1:
            return await self._reset(place)
        return self._events(place, told)

    async def _read_lines(self, place: _Place) -> list[LogLine]:
        return await self._store.lines(place.channel.id, place.line, LINES) if self._logs else []

    async def _reset(self, place: _Place) -> list[News]:
        """Some events are gone. What is over is told with the event before its end, so that the end still comes."""
        id = place.channel.id
        operation = await self._store.operation(id)
        event = event_of(operation) if isinstance(operation, Operation) else None
        if event is not None and event.status in TERMINAL:
            event = next(iter(await self._store.events(id, event.sequence - 2, 1)), None)
        if not self._holds(place):
            return []
        if event is None:
            self.drop(id)  # it has expired
            return []
        place.event = event.sequence
        self.wake()
        return [News(id, Position(place.event, place.line), Told(event, None), reset=True)]

    async def _end(self, event: Event) -> Operation | None:
        if event.status not in TERMINAL:
            return None
        operation = await self._store.operation(event.operation_id)
        return operation if isinstance(operation, Operation) else None

    def _events(self, place: _Place, told: Sequence[Told]) -> list[News]:
        id, line = place.channel.id, place.line
        found = [News(id, Position(each.event.sequence, line), each) for each in told]
        if found:
            place.event = found[-1].position.event
            if told[-1].event.status in TERMINAL:
                self.drop(id)
        return found

    def _lines(self, place: _Place, lines: Sequence[LogLine]) -> list[News]:
        id, event = place.channel.id, place.event
        if lines:
            place.line = lines[-1].line
        return [News(id, Position(event, line.line), None, line) for line in lines]
