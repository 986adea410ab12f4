"""The scribe: a child process that writes for a worker, and the two messages between them.

Batches come in over a socket pair as JSON, outcomes go back; JSON, because inputs and results are spliced JSON
already. The scribe ignores signals meant for its parent's terminal and ends when the socket does, so it never
outlives the worker by more than a commit.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from ..contract.delivery import Delivery
from ..contract.event import Event
from ..contract.ledger import Tombstone
from ..contract.operation import Operation
from ..contract.problem import Refusal, TooEarly
from ..contract.transition import (
    Accept,
    Accepted,
    Advance,
    Cancel,
    Claim,
    ClaimDeliveries,
    Claimed,
    ClaimedDeliveries,
    Complete,
    Expire,
    Fail,
    Forget,
    Keep,
    Observe,
    PostponeDelivery,
    Redeliver,
    Release,
    Renew,
    Renewed,
    Rescue,
    Resign,
    Retried,
    Retry,
    Settle,
    SettledDelivery,
    SettleDelivery,
    Stop,
    Transition,
)
from .clock import Clock
from .protocol import Committed, Hint, StoreFull, StoreUnavailable, Work
from .sqlite_commit import Recorder

HEADER = struct.Struct("!I")

AnyTransition = (
    Accept | Advance | Cancel | Claim | ClaimDeliveries | Complete | Expire | Fail | Forget | Keep | Observe
    | PostponeDelivery | Redeliver | Release | Renew | Rescue | Resign | Retry | Settle | SettleDelivery | Stop
)  # fmt: skip

_OUTCOMES: dict[str, Any] = {
    type.__name__: type
    for type in (
        Accepted,
        Claimed,
        ClaimedDeliveries,
        Delivery,
        Renewed,
        Retried,
        SettledDelivery,
        Operation,
        int,
        type(None),
    )
}
_REFUSALS: dict[str, type[Refusal]] = {refusal.__name__: refusal for refusal in (*Refusal.__subclasses__(), TooEarly)}


class _Reply(msgspec.Struct):
    outcomes: list[tuple[str, msgspec.Raw]] = []
    operations: list[Operation] = []
    events: list[Event] = []
    work: dict[str, Work] = {}
    expired: list[Tombstone] = []
    hints: list[Hint] = []
    error: tuple[str, str] | None = None


class _Refused(msgspec.Struct):
    detail: str
    retry_after: float | None
    members: dict[str, Any]


encode_batch = msgspec.json.encode
_decode_batch = msgspec.json.Decoder(list[AnyTransition]).decode
_decode_reply = msgspec.json.Decoder(_Reply).decode


def decode_reply(message: bytes) -> Committed:
    """What a commit has done; raises what it raised."""
    reply = _decode_reply(message)
    if reply.error is not None:
        kind, text = reply.error
        raise {"StoreFull": StoreFull, "StoreUnavailable": StoreUnavailable}.get(kind, RuntimeError)(text)
    outcomes = [_outcome(name, raw) for name, raw in reply.outcomes]
    return Committed(outcomes, reply.operations, reply.events, reply.work, reply.expired, reply.hints)


def _outcome(name: str, raw: msgspec.Raw) -> Any:
    if name not in _REFUSALS:
        return msgspec.json.decode(raw, type=_OUTCOMES[name])
    refused = msgspec.json.decode(raw, type=_Refused)
    refusal = _REFUSALS[name].__new__(_REFUSALS[name])
    Refusal.__init__(refusal, refused.detail, retry_after=refused.retry_after, **refused.members)
    return refusal


def _encode_reply(done: Committed | Exception) -> bytes:
    if isinstance(done, Exception):
        return msgspec.json.encode(_Reply(error=(type(done).__name__, str(done))))
    reply = _Reply(
        [(type(outcome).__name__, _encode_outcome(outcome)) for outcome in done.outcomes],
        list(done.operations),
        list(done.events),
        dict(done.work),
        list(done.expired),
        list(done.hints),
    )
    return msgspec.json.encode(reply)


def _encode_outcome(outcome: Any) -> msgspec.Raw:
    if isinstance(outcome, Refusal):
        outcome = _Refused(outcome.detail, outcome.retry_after, outcome.members)
    return msgspec.Raw(msgspec.json.encode(outcome))


def main(path: str, descriptor: int) -> None:
    """Serve one worker until it closes its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    recorder = Recorder(path, Clock())
    with socket.socket(fileno=descriptor) as connection:
        while (batch := _receive(connection)) is not None:
            with recorder.turnstile:
                reply = _committed(recorder, batch)
            _send(connection, reply)  # not within the turn: a frozen worker that does not read must hold up nobody
            recorder.tidy()
    recorder.close()


def _committed(recorder: Recorder, batch: Sequence[Transition]) -> bytes:
    try:
        return _encode_reply(recorder.commit(batch))
    except Exception as error:
        return _encode_reply(error)


def _receive(connection: socket.socket) -> Sequence[Transition] | None:
    header = _exactly(connection, HEADER.size)
    if header is None:
        return None
    (length,) = HEADER.unpack(header)
    message = _exactly(connection, length)
    return None if message is None else _decode_batch(message)


def _exactly(connection: socket.socket, length: int) -> bytes | None:
    parts = []
    while length:
        part = connection.recv(min(length, 1 << 20))
        if not part:
            return None
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _send(connection: socket.socket, message: bytes) -> None:
    with contextlib.suppress(OSError):  # the worker is gone; what is committed stays committed
        connection.sendall(HEADER.pack(len(message)) + message)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
