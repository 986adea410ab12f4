"""Section 8: server-sent events, and resuming them."""

from __future__ import annotations

import asyncio
from typing import Any

from ..check import FULL, LIVE, check
from ..exchange import expect
from ..listening import KNOWN, LAST, Event, Heard, listen
from ..manifest import Feature
from ..trial import STATUSES, Operation, Trial, check_problem, moment, with_query

STREAMS = [Feature.STREAMS]


def stream_of(operation: Operation) -> str:
    """Where its events are."""
    return operation.link("stream", "/stream")


async def whole(trial: Trial, role: str = "slow") -> tuple[Operation, Heard]:
    """All events of an operation, told again from its first one after its end."""
    operation, _ = await trial.ran(role)
    heard = await listen(trial, with_query(stream_of(operation), "after=0"))
    expect(heard.status == 200, f"the stream was answered {heard.status}")
    return operation, heard


def told(events: tuple[Event, ...] | list[Event]) -> list[tuple[str, str, str]]:
    """Events to be compared."""
    return [(event.id, event.name, event.data) for event in events]


@check(
    "sse.head",
    "A stream is text/event-stream that nobody keeps back: no-cache.",
    level=LIVE,
    uses=["slow"],
    needs=STREAMS,
)
async def head(trial: Trial) -> None:
    operation = await trial.begin(trial.long)
    heard = await listen(trial, stream_of(operation), until=bool)
    expect(heard.status == 200, f"the stream was answered {heard.status}")
    kind = heard.headers.get("content-type", "")
    expect(kind.partition(";")[0] == "text/event-stream", f"the stream is {kind!r}")
    control = heard.headers.get("cache-control", "")
    expect("no-cache" in control or "no-store" in control, f"Cache-Control is {control!r}")


@check(
    "sse.present",
    "The first event on a fresh connection is the present state.",
    level=LIVE,
    uses=["slow"],
    needs=STREAMS,
)
async def present(trial: Trial) -> None:
    operation = await trial.begin(trial.long)
    await trial.until(operation, "PROCESSING")
    first = (await listen(trial, stream_of(operation), until=bool, patience=3)).events[:1]
    expect(first, "the stream closed without an event")
    status = first[0].document.get("status")
    expect(status == "PROCESSING", f"the first event says {status}, while it is PROCESSING")


@check("sse.live", "Events come while it runs, not all at its end.", level=LIVE, uses=["slow"], needs=STREAMS)
async def live(trial: Trial) -> None:
    operation = await trial.begin("slow")
    heard = await listen(trial, stream_of(operation))
    expect(len(heard.events) >= 3, f"the stream told {len(heard.events)} events in all")
    happened = moment(heard.last.document, "timestamp") - moment(heard.events[0].document, "timestamp")
    check_pace(happened.total_seconds(), heard.times[-1] - heard.times[0])


def check_pace(happened: float, heard: float) -> None:
    """What took a while to happen took a while to be heard. Raises `Broken`."""
    expect(heard >= happened / 3, f"what happened within {happened:.1f} s was heard within {heard:.1f} s")


@check(
    "sse.end",
    "There is one last event, completed, with the result; then the server closes.",
    level=LIVE,
    uses=["slow"],
    needs=STREAMS,
)
async def end(trial: Trial) -> None:
    operation = await trial.begin("slow")
    heard = await listen(trial, stream_of(operation))
    lasts = [event.name for event in heard.events if event.name in LAST]
    expect(lasts == ["completed"], f"the last events are {lasts}")
    expect(heard.last.name == "completed", f"{heard.last.name} came after the last event")
    expect(isinstance(heard.last.document.get("result"), dict), "completed has no result")


@check(
    "sse.data",
    "Each event has a known name, and data with operationId, status and timestamp.",
    level=LIVE,
    uses=["slow"],
    needs=STREAMS,
)
async def data(trial: Trial) -> None:
    operation, heard = await whole(trial)
    for event in heard.events:
        expect(event.name in KNOWN, f"an event is named {event.name!r}")
        document = event.document
        expect(document.get("operationId") == operation.id, f"an event is about {document.get('operationId')!r}")
        expect(document.get("status") in STATUSES, f"an event's status is {document.get('status')!r}")
        moment(document, "timestamp")


@check("sse.ids", "Events are numbered 1, 2, 3 ... without gaps.", level=LIVE, uses=["slow"], needs=STREAMS)
async def ids(trial: Trial) -> None:
    _, heard = await whole(trial)
    wanted = [str(number) for number in range(1, len(heard.events) + 1)]
    expect(heard.ids == wanted, f"the ids are {', '.join(heard.ids)}")


@check(
    "sse.progress",
    "Progress on a stream never falls within an attempt.",
    level=LIVE,
    uses=["slow"],
    needs=[Feature.STREAMS, Feature.PROGRESS],
)
async def progress(trial: Trial) -> None:
    _, heard = await whole(trial)
    before: dict[Any, Any] = {}
    for document in (event.document for event in heard.events):
        if (percentage := document.get("progress")) is not None:
            least = before.get(document.get("attempt"), 0)
            expect(percentage >= least, f"progress fell from {least} to {percentage}")
            before[document.get("attempt")] = percentage


@check(
    "sse.resume",
    "With Last-Event-ID: k come exactly the events after k, for every k.",
    level=LIVE,
    uses=["slow"],
    needs=STREAMS,
)
async def resume(trial: Trial) -> None:
    operation, heard = await whole(trial)
    for place, event in enumerate(heard.events[:-1], 1):
        again = await listen(trial, stream_of(operation), last_id=event.id)
        same = told(again.events) == told(heard.events[place:])
        expect(same, f"after {event.id} came {', '.join(again.ids) or 'nothing'}; it ends with {heard.last.id}")


@check("sse.after", "?after=k does the same, and Last-Event-ID wins over it.", level=LIVE, uses=["slow"], needs=STREAMS)
async def after(trial: Trial) -> None:
    operation, heard = await whole(trial)
    middle = len(heard.events) // 2
    link = with_query(stream_of(operation), f"after={heard.events[middle].id}")
    again = await listen(trial, link)
    expect(told(again.events) == told(heard.events[middle + 1 :]), f"?after={heard.events[middle].id} gave {again.ids}")
    both = await listen(trial, link, last_id=heard.events[0].id)
    expect(told(both.events) == told(heard.events[1:]), "?after won over Last-Event-ID")


@check(
    "sse.cut", "Over cuts while it runs, everything comes once and in order.", level=LIVE, uses=["slow"], needs=STREAMS
)
async def cut(trial: Trial) -> None:
    operation = await trial.begin("slow")
    link = stream_of(operation)
    events = list((await listen(trial, with_query(link, "after=0"), until=bool)).events)
    for size in (1, 2, 3, 1):
        if not events or events[-1].name in LAST:
            break
        enough = lambda heard, size=size: len(heard) >= size  # noqa: E731
        events += (await listen(trial, link, last_id=events[-1].id, until=enough)).events
    if events and events[-1].name not in LAST:
        events += (await listen(trial, link, last_id=events[-1].id)).events
    again = await listen(trial, with_query(link, "after=0"))
    expect(told(events) == told(again.events), f"over cuts came {[e.id for e in events]}, in one go {again.ids}")


@check(
    "sse.done",
    "Who has seen the last event gets 204, which ends an EventSource.",
    level=LIVE,
    uses=["quick"],
    needs=STREAMS,
)
async def done(trial: Trial) -> None:
    operation, heard = await whole(trial, "quick")
    again = await listen(trial, stream_of(operation), last_id=heard.last.id)
    expect(again.status == 204, f"with the last id it was answered {again.status}, not 204")


@check(
    "sse.reset",
    "An id that is none of the stream's gets a reset with the state, not a silent gap.",
    level=FULL,
    uses=["quick"],
    needs=STREAMS,
)
async def reset(trial: Trial) -> None:
    operation, _ = await trial.ran("quick")
    heard = await listen(trial, stream_of(operation), last_id="no-id-of-yours")
    expect(heard.status == 200, f"an unknown Last-Event-ID was answered {heard.status}")
    expect(heard.events and heard.events[0].name == "reset", f"it got {[e.name for e in heard.events]}, no reset")
    expect(heard.events[0].document.get("status") in STATUSES, "the reset tells no state")


@check("sse.failed", "A failure ends with failed, which has the error.", level=LIVE, uses=["failing"], needs=STREAMS)
async def failed(trial: Trial) -> None:
    _, heard = await whole(trial, "failing")
    expect(heard.last.name == "failed", f"the last event is {heard.last.name}")
    error = heard.last.document.get("error")
    expect(isinstance(error, dict) and error.get("title"), "failed has no error")


@check(
    "sse.cancelled",
    "A cancellation reaches who follows, as cancelled with its reason.",
    level=LIVE,
    uses=["slow"],
    needs=STREAMS,
)
async def cancelled(trial: Trial) -> None:
    operation = await trial.begin(trial.long)
    await trial.until(operation, "PROCESSING")
    following = asyncio.ensure_future(listen(trial, stream_of(operation)))
    await trial.cancel(operation, "heard on the stream")
    heard = await following
    expect(heard.last.name == "cancelled", f"the last event is {heard.last.name}")
    expect(heard.last.document.get("reason") == "heard on the stream", "cancelled does not tell the reason")


@check("sse.readers", "Every reader gets the same events.", level=LIVE, uses=["slow"], needs=STREAMS)
async def readers(trial: Trial) -> None:
    link = with_query(stream_of(await trial.begin("slow")), "after=0")
    first, *others = await asyncio.gather(*(listen(trial, link) for _ in range(3)))
    for other in others:
        expect(told(other.events) == told(first.events), "two readers of one stream got other events")


@check("sse.unknown", "A stream of an unknown operation is a 404 with a problem.", level=LIVE, needs=STREAMS)
async def unknown(trial: Trial) -> None:
    operation = await trial.begin("quick")
    link = stream_of(operation).replace(operation.id, "op-00000000000000000000000000")
    check_problem(await trial.get(link, accept="text/event-stream"), 404)


@check(
    "sse.logs",
    "?logs=true tells lines of the log too, and their ids resume both.",
    level=FULL,
    uses=["logging"],
    needs=[Feature.STREAMS, Feature.LOGS],
)
async def logs(trial: Trial) -> None:
    operation, _ = await trial.ran("logging")
    link = with_query(stream_of(operation), "logs=true")
    heard = await listen(trial, with_query(link, "after=0"))
    names = {event.name for event in heard.events}
    expect("log" in names, f"?logs=true told {sorted(names)}")
    middle = len(heard.events) // 2
    again = await listen(trial, link, last_id=heard.events[middle - 1].id)
    expect(told(again.events) == told(heard.events[middle:]), "an id with ?logs=true does not resume both")


@check(
    "sse.many",
    "One stream tells many operations, ends with the last of them, and resumes them all.",
    level=FULL,
    uses=["quick", "slow"],
    needs=STREAMS,
)
async def many(trial: Trial) -> None:
    operations = [await trial.begin("slow"), await trial.begin("quick")]
    ids = {each.id for each in operations}
    link = f"{trial.manifest.paths.operations}/stream?ids={','.join(each.id for each in operations)}"
    heard = await listen(trial, link)
    ends = [event.document.get("operationId") for event in heard.events if event.name in LAST]
    expect(sorted(map(str, ends)) == sorted(ids), f"it told the ends of {len(ends)} of 2 operations")
    middle = len(heard.events) // 2
    again = await listen(trial, link, last_id=heard.events[middle - 1].id)
    for id in ids:
        wanted = [event.data for event in heard.events[middle:] if event.document.get("operationId") == id]
        found = [event.data for event in again.events if event.document.get("operationId") == id]
        expect(found == wanted, "resumed in its middle it told other events than before")


@check(
    "sse.same", "The last event tells the same status and result as a poll.", level=LIVE, uses=["quick"], needs=STREAMS
)
async def same(trial: Trial) -> None:
    operation, heard = await whole(trial, "quick")
    document = (await trial.poll(operation)).document
    last = heard.last.document
    expect(
        last.get("status") == document.get("status"),
        f"the stream says {last.get('status')}, a poll {document.get('status')}",
    )
    expect(last.get("result") == document.get("result"), "the stream and a poll tell another result")
