"""The page at `/demo/`: `progress.html`, which is an example of its own, and what a browser lets it do.

Its script and style are named by their hashes: were anything else to get into the page, it would not run. It may talk
to the server that it came from and to no other.
"""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path

from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

PLACE = "/demo/"
_WAYS = {"/": PLACE, "/demo": PLACE}
_FILE = Path(__file__).with_name("progress.html")


def is_page(scope: Scope) -> bool:
    """Whether this is a request for the page."""
    return scope["type"] == "http" and (scope["path"] == PLACE or scope["path"] in _WAYS)


async def show(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI, for requests that are for the page."""
    await _answer(scope["path"], scope["method"])(scope, receive, send)


def _answer(path: str, method: str) -> Response:
    if method not in {"GET", "HEAD"}:
        return PlainTextResponse("This is a page to look at.\n", 405, {"Allow": "GET, HEAD"})
    if path in _WAYS:
        return RedirectResponse(_WAYS[path])
    html, policy = _page()
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(html, headers=headers)


@cache
def _page() -> tuple[str, str]:
    """The page, and the policy that fits it."""
    html = _FILE.read_text(encoding="utf-8")
    policy = {
        "default-src": "'none'",
        "script-src": _hash(html, "script"),
        "style-src": _hash(html, "style"),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return html, "; ".join(f"{name} {value}" for name, value in policy.items())


def _hash(html: str, tag: str) -> str:
    """The source expression for the one element of this kind (Content Security Policy, level 3, section 2.3.1)."""
    _, _, rest = html.partition(f"<{tag}>")
    content, _, _ = rest.partition(f"</{tag}>")
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
