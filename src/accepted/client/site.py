"""Where the server is, who asks, and where an operation of it lives.

The credential goes to the origin that the client was made for and to nobody else, whatever links an answer holds: a
result may lie in a file store, and a link may be a trap.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

import msgspec

from ..contract.operation import renamed
from .document import State
from .error import InvalidToken, UnexpectedAnswer
from .patience import Terms
from .step import Request

Credential = str | Callable[[], str] | None

_DEFAULT_PORTS = {"http": 80, "https": 443}
_VERSION = "op1."


class Site:
    """A server as one client sees it: `url` is where the app is mounted."""

    def __init__(self, url: str, credential: Credential, terms: Terms, headers: Mapping[str, str]) -> None:
        self.url = _without_user(url).rstrip("/")
        self.origin = origin(self.url)
        self._credential = credential
        self._terms = terms
        self._headers = {name.lower(): value for name, value in headers.items()}

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        body: bytes = b"",
        timeout: float | None = None,
    ) -> Request:
        """A request with these headers (in lower case) and, where they may go, the credential and the client's own.

        What a server has made up (an ETag, an id) and no header can say is left out.
        """
        named = {name: value for name, value in headers.items() if sendable(value)}
        if body:
            named.setdefault("content-type", "application/json")
        if origin(url) == self.origin:
            named = self._headers | named
            if self._credential is not None:
                secret = self._credential if isinstance(self._credential, str) else self._credential()
                named["authorization"] = f"Bearer {secret}"
        seconds = self._terms.timeout if timeout is None else min(timeout, self._terms.timeout)
        return Request(method=method, url=url, headers=named, body=body, timeout=max(seconds, 0.05))

    def at(self, path: str) -> str:
        """The URL of a path below the mount point; a whole URL stays."""
        return path if "://" in path else f"{self.url}/{path.lstrip('/')}"

    def place(self, id: str) -> Place:
        """Where the operation with this id lives, by the contract's own paths; `id` may be its status URL too."""
        if "://" in id:
            return Place(id, unquote(urlsplit(id).path.rstrip("/").rpartition("/")[2]))
        return Place(self.at(f"operations/{quote(id, safe='')}"), id)

    def token(self, place: Place) -> str:
        """The place as a text that holds nothing secret."""
        raw = msgspec.json.encode([place.url, place.id])
        return _VERSION + base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def resumed(self, token: str) -> Place:
        """The place that a token names. Raises `InvalidToken`, also for another server's."""
        version, text = token[: len(_VERSION)], token[len(_VERSION) :]
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            url, id = msgspec.json.decode(raw, type=tuple[str, str])
        except (binascii.Error, ValueError, msgspec.MsgspecError):
            url = id = ""
        if version != _VERSION or not id:
            raise InvalidToken("this is no token of an operation")
        if origin(url) != self.origin:
            raise InvalidToken(f"this token is of {origin(url)}, the client of {self.origin}")
        return Place(url, id)


class Place:
    """What is known of one operation: its status URL, and the links of its last document, made absolute."""

    def __init__(self, url: str, id: str) -> None:
        self.url = url
        self.id = id
        self.state: State | None = None
        self._links: dict[str, str] | None = None

    def learn(self, state: State) -> State:
        """Take the links of a status document."""
        self.state = state
        if state.links:
            ours = {name: link for name, link in state.links.items() if name != "websocket"}  # ws: is not fetched
            self._links = {name: self.absolute(link) for name, link in ours.items()}
        return state

    def absolute(self, link: str) -> str:
        """A link of one of its documents as a URL. Raises `UnexpectedAnswer` for what HTTP cannot fetch."""
        return joined(self.url, link)

    @property
    def stream(self) -> str | None:
        """Where its events come as they happen; None where its server offers no stream."""
        return f"{self.url}/stream" if self._links is None else self._links.get("stream")

    def action(self, name: str) -> str:
        """Where to `cancel` or `retry` it."""
        return (self._links or {}).get(name) or f"{self.url}/{name}"

    def logs(self, site: Site) -> str:
        """Where its log is."""
        job = (self._links or {}).get("job")
        return f"{job or site.at('jobs/' + quote(_job(self.id), safe=''))}/logs"


def joined(url: str, link: str) -> str:
    """A link in what `url` has answered. Raises `UnexpectedAnswer` for what HTTP cannot fetch."""
    try:
        target = urljoin(url, link)
        origin(target)
    except ValueError:
        raise UnexpectedAnswer(f"{url} has a link that is no http or https URL: {link!r}") from None
    return target


def sendable(value: str) -> bool:
    """Whether a header can say it (RFC 9110, section 5.5, and only what everybody reads alike)."""
    return value.isascii() and value.isprintable()


def _job(id: str) -> str:
    return renamed(id, "job") if "-" in id else id


def origin(url: str) -> str:
    """Scheme, host and port (RFC 6454). Raises ValueError for what is no http or https URL."""
    parts = urlsplit(url)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"not an http or https URL: {url!r}")
    return f"{parts.scheme}://{parts.hostname.lower()}:{port}"


def _without_user(url: str) -> str:
    """A credential in a URL would end up in logs and tokens; it has a place of its own."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("a URL with a user or password in it; give the client a token")
    return urlunsplit(parts._replace(query="", fragment=""))
