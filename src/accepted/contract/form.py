"""The body of a 202 out of a form: submits of one type differ by their id and their dates only.

The form is the document itself, written once with marks in the place of what differs, so that it follows `wire.py`
whatever that adds to the document.
"""

from __future__ import annotations

from functools import lru_cache

from .operation import Operation, Status
from .wire import Advice, accepted_document, encode, timestamp

# What stands for id and dates in the document that becomes a form, and what then stands in the form: JSON has no NUL.
_ID, _CREATED, _ESTIMATED = "\N{OBJECT REPLACEMENT CHARACTER}", 0, 1
_ID_MARK, _CREATED_MARK, _ESTIMATED_MARK = b"\0id", b"\0created", b"\0estimated"


def accepted_body(operation: Operation, base: str, advice: Advice) -> bytes:
    """`encode(accepted_document(...))`, byte by byte."""
    form = None
    if operation.status is Status.PENDING and _is_plain(operation) and advice.queue_position is None:
        dated = advice.estimated is not None
        form = _form(operation.type, base, advice.recommended, advice.minimum, dated=dated)
    if form is None:
        return encode(accepted_document(operation, base, advice))
    body = form.replace(_ID_MARK, operation.id[3:].encode())
    body = body.replace(_CREATED_MARK, timestamp(operation.created_at).encode())
    return body if advice.estimated is None else body.replace(_ESTIMATED_MARK, timestamp(advice.estimated).encode())


def _is_plain(operation: Operation) -> bool:
    return operation.retry_of is None and operation.webhook is None


@lru_cache(maxsize=256)
def _form(type: str, base: str, recommended: float, minimum: float, *, dated: bool) -> bytes | None:
    blank = Operation(
        id=f"op-{_ID}",
        type=type,
        owner="",
        status=Status.PENDING,
        created_at=_CREATED,
        updated_at=_CREATED,
        retention=0,
        cancel_grace=0,
    )
    marks = {_ID: _ID_MARK, timestamp(_CREATED): _CREATED_MARK, timestamp(_ESTIMATED): _ESTIMATED_MARK}
    if any(text in base for text in marks):
        return None
    form = encode(accepted_document(blank, base, Advice(recommended, minimum, _ESTIMATED if dated else None)))
    for text, mark in marks.items():
        form = form.replace(text.encode(), mark)
    return form
