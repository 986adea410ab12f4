"""What `accepted serve` and `accepted worker` write to standard error: one line for each record, as text or as JSON.

Text of users may stand in a message, so control characters are escaped: nothing that a client sends can forge a line
or move a terminal's cursor.
"""

from __future__ import annotations

import json
import logging
import os
import traceback
from collections.abc import Sequence

import msgspec

from .contract.wire import timestamp

_CONTEXT = {"operation_id": "operationId", "operation_type": "type", "attempt": "attempt", "traceparent": "traceparent"}
_OF_AUDIT = {"action": "action", "owner": "owner", "key": "key"}


def configure(format: str, level: str = "INFO") -> None:
    """Send everything to standard error, in the format of the setting `log_format`."""
    handler = StandardError()
    handler.setFormatter(JsonLines() if format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("httpx2", "uvicorn"):
        logging.getLogger(chatty).setLevel("WARNING")
    logging.getLogger("uvicorn.error").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """uvicorn takes a WebSocket handshake that is answered with a problem in HTTP for one that was forgotten."""
    return record.msg != "ASGI callable returned without completing handshake."


_UNFORMATTED = logging.Formatter()


class StandardError(logging.Handler):
    """Whole lines in each write, so that those of several processes do not mix."""

    def emit(self, record: logging.LogRecord) -> None:
        self.emit_many((record,))

    def emit_many(self, records: Sequence[logging.LogRecord]) -> None:
        """All of them in one write; a commit under load has hundreds."""
        try:
            format = (self.formatter or _UNFORMATTED).format
            lines = [format(record) for record in records if record.levelno >= self.level]
            os.write(2, "\n".join([*lines, ""]).encode("utf-8", "replace"))
        except OSError:
            pass  # nobody reads standard error any more; that must not fail the work
        except Exception:
            self.handleError(records[0])


class TextLines(logging.Formatter):
    """For people."""

    def format(self, record: logging.LogRecord) -> str:
        members = record.__dict__
        line = f"{_time(record)} {record.levelname:<7} {record.getMessage()}"
        if "operation_type" in members:
            line += f"  type={members['operation_type']} attempt={members.get('attempt', '')}"
            if trace := members.get("traceparent"):
                line += f" traceparent={trace}"
        line = escaped(line)
        if record.exc_info and record.exc_info[1] is not None:
            text = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
            line += "\n" + "\n".join("    " + escaped(part) for part in text.split("\n"))
        return line


class JsonLines(logging.Formatter):
    """For collectors."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_context(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = "".join(traceback.format_exception(record.exc_info[1]))
        line = {name: _encodable(value) for name, value in line.items()}
        text = msgspec.json.encode(line, enc_hook=str).decode("utf-8", "replace")
        # JSON itself lets U+2028 pass, where some collectors see a new line, and U+009B, where a terminal sees ESC [.
        return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _encodable(value: object) -> object:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _time(record: logging.LogRecord) -> str:
    return timestamp(int(record.created * 1000))


def _context(record: logging.LogRecord) -> dict[str, object]:
    wanted = _CONTEXT | _OF_AUDIT if record.name == "accepted.audit" else _CONTEXT
    found = {word: getattr(record, name, None) for name, word in wanted.items()}
    return {word: value for word, value in found.items() if value is not None}


def escaped(text: str) -> str:
    """Text that stays on its line and moves no cursor."""
    return (
        text
        if text.isprintable()
        else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    )
