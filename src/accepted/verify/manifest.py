"""The manifest: which of a server's operations to use for what, how to be let in, and what it does not offer.

TOML or JSON, whichever the file's name says. What is not known is refused, because a misspelt member would silently
leave checks out. Secrets do not stand in it: it names the variables of the environment that hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

Target = Annotated[str, Meta(pattern="^/")]


class InvalidManifest(ValueError):
    """The manifest cannot be read; the message says where and why."""


class Feature(StrEnum):
    """What a server may leave out. The words of `not_offered`, and what a verdict names as left out."""

    PROGRESS = "progress"
    LINKS = "links"
    PREFER = "prefer"
    IDEMPOTENCY = "idempotency"
    ETAG = "etag"
    POLL_LIMIT = "poll-limit"
    RETRY = "retry"
    RESULT = "result"
    RANGES = "ranges"
    EXPIRY = "expiry"
    JOBS = "jobs"
    LOGS = "logs"
    PROBLEM_PAGES = "problem-pages"
    STREAMS = "streams"
    SOCKETS = "sockets"
    WEBHOOKS = "webhooks"
    OPENAPI = "openapi"
    HEALTH = "health"
    METRICS = "metrics"
    AUTH = "auth"
    OWNERS = "owners"


ROLES: dict[str, str] = {
    "quick": "Ends COMPLETED within a second or two. Its result is JSON.",
    "slow": "Ends COMPLETED after 1 to 5 seconds, reports progress all the while, and can be cancelled.",
    "long": "Runs for 20 seconds or more, with progress, and can be cancelled; `slow` is taken where it is absent.",
    "failing": "Ends FAILED, and its error says `retryable: false`.",
    "retryable": "Ends FAILED, and its error says `retryable: true`.",
    "partial": "Ends COMPLETED_WITH_ERRORS, with at least one warning.",
    "queued": "Runs long, and only one at a time: a second one waits as PENDING. The checks cancel what they begin.",
    "file": "Ends COMPLETED, and its result is a file that can be fetched in ranges.",
    "logging": "Writes at least two lines to its log, and ends COMPLETED.",
    "expiring": "Ends COMPLETED, and is kept for a few seconds only.",
}
"""What operations are named for."""


class Use(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One operation, and the input that makes it behave as its role says.

    `other` is another input that fits, `invalid` one that does not; `phases` are the names of those that it reports,
    and `within` the seconds after which what expires is gone.
    """

    path: Target
    input: Any = msgspec.UNSET
    other: Any = msgspec.UNSET
    invalid: Any = msgspec.UNSET
    phases: tuple[str, ...] = ()
    within: Annotated[float, Meta(gt=0)] = 30.0


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How callers say who they are: `<header>: <scheme> <token>`; the tokens stand in the environment.

    `other` is the token of a second caller, who must not see what the first one has.
    """

    token: str = "ACCEPTED_TOKEN"
    other: str = ""
    header: str = "Authorization"
    scheme: str = "Bearer"


class Webhooks(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the kit's own receiver listens, as the server reaches it, and how patient it has to be (seconds)."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    url_host: str = ""
    retry_within: Annotated[float, Meta(gt=0)] = 10.0
    timeout: Annotated[float, Meta(gt=0)] = 15.0
    forbidden_url: str = "http://169.254.169.254/latest/meta-data"


class Paths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the paths are that no link leads to."""

    operations: Target = "/operations"
    jobs: Target = "/jobs"
    openapi: Target = "/openapi.json"
    health: Target = "/health"
    metrics: Target = "/metrics"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of it. `body_limit` in bytes; `patience` is the longest that one check may take, in seconds."""

    name: str = ""
    not_offered: tuple[Feature, ...] = ()
    operations: dict[str, Use]
    auth: Auth | None = None
    webhooks: Webhooks = Webhooks()
    paths: Paths = Paths()
    body_limit: Annotated[int, Meta(gt=0)] = 1 << 20
    patience: Annotated[float, Meta(gt=0)] = 45.0

    @property
    def missing(self) -> frozenset[Feature]:
        """What is not offered, and what follows from it: who lets everybody in cannot be asked about owners."""
        given = {*self.not_offered}
        if self.auth is None:
            given |= {Feature.AUTH, Feature.OWNERS}
        elif not self.auth.other:
            given |= {Feature.OWNERS}
        return frozenset(given)


class Tokens(msgspec.Struct, frozen=True):
    """What the environment holds: of the caller, and of the second one; empty where there is none."""

    own: str = ""
    other: str = ""


def load(path: Path) -> Manifest:
    """The manifest in a file. Raises `InvalidManifest`."""
    try:
        return read(path.read_bytes(), toml=path.suffix != ".json")
    except OSError as error:
        raise InvalidManifest(f"{path}: {error.strerror}; docs/verify.md says what stands in a manifest") from None
    except InvalidManifest as error:
        raise InvalidManifest(f"{path}: {error}") from None


def read(text: bytes, *, toml: bool = True) -> Manifest:
    """A manifest out of its text. Raises `InvalidManifest`."""
    decode = msgspec.toml.decode if toml else msgspec.json.decode
    try:
        manifest: Manifest = decode(text, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidManifest(str(error)) from None
    if unknown := sorted(set(manifest.operations) - set(ROLES)):
        raise InvalidManifest(f"operations.{unknown[0]}: the roles are {', '.join(ROLES)}")
    if "quick" not in manifest.operations:
        raise InvalidManifest("operations.quick is missing: without it nothing can be checked")
    return manifest


def tokens(manifest: Manifest, environment: Mapping[str, str]) -> Tokens:
    """The callers' tokens. Raises `InvalidManifest` where a variable that the manifest names is not set."""
    auth = manifest.auth
    if auth is None:
        return Tokens(environment.get("ACCEPTED_TOKEN", ""))
    for name in filter(None, (auth.token, auth.other)):
        if not environment.get(name):
            raise InvalidManifest(f"auth: the environment has no {name}")
    return Tokens(environment[auth.token], environment[auth.other] if auth.other else "")
