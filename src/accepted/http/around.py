"""Health, metrics, and the pages behind problem types: contract, sections 11 and 12."""

from __future__ import annotations

import html
import re
import time

from ..contract.problem import NotFound, catalogue
from ..engine.metrics import CONTENT_TYPE
from ..engine.node import Node
from ..store.protocol import StoreUnavailable
from ..version import VERSION
from .call import NO_STORE, Call

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<h1>{title}</h1>
<p><code>{slug}</code>{status}</p>
<p>{explanation}</p>
<p><a href="{base}/problems">All problems</a></p>
</html>
"""
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
_KNOWN = {slug: (title, status, explanation) for slug, title, status, explanation in catalogue()}
_FOREIGN = (
    "This problem belongs to an operation of this application, not to Accepted: a function failed on purpose and named "
    "it so. The problem's own `title` and `detail` say what happened, `retryable` whether a retry makes sense."
)
_HTML = (b"content-type", b"text/html; charset=utf-8")
_CSP = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class Around:
    """The endpoints around the contract."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._started = time.monotonic()

    async def live(self, call: Call) -> None:
        """`GET /health/live`: the process turns; it does not look at anything else."""
        await call.json(200, {"status": "UP"})

    async def ready(self, call: Call) -> None:
        """`GET /health/ready`: whether to send requests here."""
        up = (await self._store())["status"] == "UP" and not self._node.draining and not self._node.failed.is_set()
        await call.json(200 if up else 503, {"status": "UP" if up else "DOWN"})

    async def health(self, call: Call) -> None:
        """`GET /health`: everything in one answer; 503 when the node cannot do its work."""
        store = await self._store()
        up = store["status"] == "UP" and not self._node.failed.is_set()
        checks = {"store": store, "workers": await self._workers() if up else {"status": "UNKNOWN"}}
        uptime = round(time.monotonic() - self._started, 3)
        document = {"status": "UP" if up else "DOWN", "version": VERSION, "uptime": uptime, "checks": checks}
        await call.json(200 if up else 503, document)

    async def _store(self) -> dict[str, object]:
        began = time.perf_counter()
        try:
            await self._node.store.tally()
        except StoreUnavailable as error:
            return {"status": "DOWN", "detail": type(error).__name__}
        return {"status": "UP", "responseTime": round(time.perf_counter() - began, 6)}

    async def _workers(self) -> dict[str, object]:
        """No worker is not an outage of this process, so it is said without changing the whole status."""
        alive = sum(worker.alive for worker in await self._node.store.workers())
        return {"status": "UP" if alive else "NONE", "alive": alive}

    async def metrics(self, call: Call) -> None:
        """`GET /metrics`, for Prometheus."""
        body = await self._node.metrics.exposition()
        await call.answer(200, body, (b"content-type", CONTENT_TYPE.encode()), NO_STORE)

    async def problems(self, call: Call) -> None:
        """`GET /problems`: all of them."""
        rows = "".join(
            f'<li><a href="{html.escape(call.base)}/problems/{slug}">{html.escape(title)}</a> <code>{slug}</code></li>'
            for slug, title, _, _ in sorted(catalogue())
        )
        head = '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Problems</title>'
        page = f"{head}<h1>Problems</h1><ul>{rows}</ul></html>\n"
        await call.answer(200, page.encode(), _HTML, _CSP)

    async def problem(self, call: Call) -> None:
        """`GET /problems/{slug}`: what a problem means, for a person."""
        slug = call.parameters["slug"]
        if not _SLUG.fullmatch(slug):
            raise NotFound("There is no problem of this name.")
        title, status, explanation = _KNOWN.get(slug, (slug, None, _FOREIGN))
        page = _PAGE.format(
            title=html.escape(title),
            slug=slug,
            status=f", HTTP {status}" if status else "",
            explanation=_marked_up(explanation),
            base=html.escape(call.base),
        )
        await call.answer(200, page.encode(), _HTML, _CSP)


def _marked_up(text: str) -> str:
    parts = html.escape(text, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
