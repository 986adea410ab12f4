"""The dashboard: a page, its scripts and its styles, as plain files of this package.

The page may run these files and nothing else, and talk to the server it came from and to no other. It holds no data; it
asks for it as any client does, so the files need no authentication and the data does. All references are relative, so
it works under any mount point.

A file's address has the digest of all of them in it: a browser keeps each for ever, and a new version is a new address.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from ..contract.problem import NotFound
from .call import Call, Header
from .headers import matches

FOLDER = Path(__file__).parents[1] / "dashboard"

_TYPES = {".js": b"text/javascript; charset=utf-8", ".css": b"text/css; charset=utf-8", ".svg": b"image/svg+xml"}
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    b"form-action 'none'; frame-ancestors 'none'"
)
_CONFINED: tuple[Header, ...] = ((b"content-security-policy", _POLICY),)
_FOR_EVER = (b"cache-control", b"public, max-age=31536000, immutable")
_ASK_AGAIN = (b"cache-control", b"no-cache")


class Dashboard:
    """The page at `/dashboard`, and its files."""

    async def page(self, call: Call) -> None:
        """`GET /dashboard`."""
        files, version = _files()
        tag = f'"{version}"'
        headers = (*_CONFINED, _ASK_AGAIN, (b"etag", tag.encode()))
        if matches(call.header(b"if-none-match"), tag):
            await call.empty(304, *headers)
            return
        html = files["index.html"].replace(b"$VERSION", version.encode())
        await call.answer(200, html, (b"content-type", b"text/html; charset=utf-8"), *headers)

    async def file(self, call: Call) -> None:
        """`GET /dashboard/{version}/{file}`. While nodes of two versions serve, a page may ask for a file of the other
        one: it gets what there is, but does not keep it.
        """
        files, version = _files()
        name = call.parameters["file"]
        media = _TYPES.get(Path(name).suffix)
        if name not in files or media is None:
            raise NotFound("The dashboard has no such file.")
        kept = _FOR_EVER if call.parameters["version"] == version else _ASK_AGAIN
        await call.answer(200, files[name], (b"content-type", media), *_CONFINED, kept)


@cache
def _files() -> tuple[dict[str, bytes], str]:
    """All files, and what their version is called."""
    files = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.is_file()}
    digest = hashlib.sha256(b"".join(name.encode() + body for name, body in files.items()))
    return files, digest.hexdigest()[:16]
