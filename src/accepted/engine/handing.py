"""Many log records at once: what `Logger.handle` does for each, but a handler that can take many gets them together."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence


def hand_over(log: logging.Logger, lines: Sequence[logging.LogRecord]) -> None:
    """Give records of `log` to whoever handles them; those with `emit_many` write them in one go."""
    if log.disabled or log.filters:
        for line in lines:
            log.handle(line)
        return
    for handler in _handlers(log):
        emit_many = getattr(handler, "emit_many", None)
        if emit_many is not None:
            emit_many(lines)
            continue
        for line in lines:
            if line.levelno >= handler.level:
                handler.handle(line)


def _handlers(log: logging.Logger) -> Iterator[logging.Handler]:
    logger: logging.Logger | None = log
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None
