"""Every knob once: name, default, meaning. A keyword of `Accepted(...)` wins over `ACCEPTED_<NAME>`, that over
the default.

Durations may be written as "90s", "10m", "24h", a number of seconds or a timedelta, and are seconds here; sizes are
bytes, also "64KiB", "1MiB", "1GiB"; lists in the environment are comma-separated. docs/operating.md shows this table;
a test compares them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Annotated, Any, get_args, get_type_hints
from urllib.parse import urlsplit, urlunsplit

import msgspec

from .contract.address import Network
from .contract.policy import seconds
from .knob import (
    Danger,
    Knob,
    Rate,
    SecretKey,
    count,
    flag,
    longer,
    names,
    networks,
    off,
    rate,
    secret_keys,
    size,
    url,
)


class InvalidSetting(ValueError):
    """A setting has a value it cannot have; the message names it and where it came from."""


def without_password(url: str) -> str:
    """A database's URL as it may be shown."""
    if url.startswith("sqlite:"):
        return url
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    query = re.sub(r"(?<=password=)[^&]*", "***", parts.query)
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}", query=query))


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, read and checked."""

    database: Annotated[str, Knob(str, "Where everything is kept: sqlite:///path, or postgresql://...")] = (
        "sqlite:///accepted.db"
    )
    public_url: Annotated[
        str, Knob(url, "What links start with, such as https://api.example.com; empty: relative links.")
    ] = ""
    allowed_hosts: Annotated[
        tuple[str, ...],
        Knob(
            names,
            "Host names this server answers to; * is any.",
            Danger(lambda hosts: "*" in hosts, "pages that rebind DNS can reach this server; name its hosts", "*"),
        ),
    ] = (
        "localhost",
        "127.0.0.1",
        "[::1]",
        "testserver",
    )
    allowed_origins: Annotated[
        tuple[str, ...], Knob(names, "Origins of browser pages that may ask for changes, besides its own.")
    ] = ()
    require_auth: Annotated[
        bool, Knob(flag, "Nobody is let in without credentials, even before there is a key or a verifier.")
    ] = False
    jwt_jwks_url: Annotated[str, Knob(url, "Tokens: where the issuer's public keys are (RFC 7517); https.")] = ""
    jwt_key: Annotated[str, Knob(str, "Tokens: a key shared with the issuer, at least 32 bytes.")] = ""
    jwt_algorithms: Annotated[
        tuple[str, ...], Knob(names, "Tokens: the algorithms that count; empty: RS256 and ES256, or HS256 with a key.")
    ] = ()
    jwt_issuer: Annotated[str, Knob(str, "Tokens: what `iss` has to be.")] = ""
    jwt_audience: Annotated[str, Knob(str, "Tokens: what `aud` has to hold.")] = ""
    jwt_owner_claim: Annotated[str, Knob(str, "Tokens: the claim that says whose operations they are for.")] = "sub"
    jwt_roles_claim: Annotated[
        str, Knob(str, "Tokens: the claim with the roles, a list or words; dots lead into objects.")
    ] = "roles"
    jwt_leeway: Annotated[float, Knob(seconds, "Tokens: how far the issuer's clock may be off.")] = 30.0
    trusted_proxies: Annotated[
        tuple[Network, ...],
        Knob(
            networks,
            "Addresses or networks whose `Forwarded` and `X-Forwarded-*` headers are believed.",
            Danger(
                lambda trusted: any(network.prefixlen < 8 for network in trusted),
                "everybody in there can say who they are, and which host they mean",
                "0.0.0.0/0",
            ),
        ),
    ] = ()
    lease_ttl: Annotated[
        float,
        Knob(
            seconds,
            "How long a silent worker keeps its operations.",
            Danger(lambda ttl: ttl < 5, "an ordinary pause of a worker may cost it its work", "2s"),
        ),
    ] = 30.0
    scan_interval: Annotated[
        float, Knob(seconds, "How often orphans, expired and forgotten operations are looked for.")
    ] = 5.0
    max_crashes: Annotated[int, Knob(count, "After so many deaths of the worker under one operation it is FAILED.")] = 3
    retention: Annotated[
        float, Knob(seconds, "How long an ended operation is kept, unless its own decorator says.")
    ] = 86400.0
    cancel_grace: Annotated[
        float, Knob(seconds, "How long a cancelled function may take to stop, unless its decorator says.")
    ] = 2.0
    wait_limit: Annotated[float, Knob(seconds, "The longest `Prefer: wait`.")] = 60.0
    body_limit: Annotated[
        int,
        Knob(
            size,
            "The largest request body.",
            Danger(lambda limit: limit > 64 << 20, "each body stands in memory whole, a few times over", "1GiB"),
        ),
    ] = 1 << 20
    head_limit: Annotated[int, Knob(size, "The largest head of a request: its path and headers.")] = 16 << 10
    head_lines: Annotated[int, Knob(count, "The most header lines of a request.")] = 64
    head_timeout: Annotated[float, Knob(seconds, "How long the head of a request may take.", longer(60, "a head"))] = (
        10.0
    )
    body_timeout: Annotated[float, Knob(seconds, "How long the body of a request may take.", longer(600, "a body"))] = (
        30.0
    )
    send_timeout: Annotated[
        float, Knob(seconds, "How long an answer may wait for a client that does not read.", longer(600, "a reader"))
    ] = 30.0
    keep_alive: Annotated[float, Knob(seconds, "How long a connection may stay open between two requests.")] = 75.0
    connection_limit: Annotated[int, Knob(count, "How many connections a web process has at once.")] = 10_000
    connections_per_address: Annotated[
        int, Knob(count, "How many of them from one address; `trusted_proxies` are exempt.")
    ] = 1_000
    result_limit: Annotated[int, Knob(size, "The largest value a function may return, as JSON.")] = 16 << 20
    artifact_limit: Annotated[int, Knob(size, "The largest artifact a function may return.")] = 1 << 30
    log_limit: Annotated[int, Knob(count, "The most log lines kept for one operation.")] = 10_000
    poll_minimum: Annotated[
        float,
        Knob(
            seconds,
            "The shortest polling interval told to clients.",
            Danger(lambda shortest: not shortest, "one operation may be polled as often as anybody likes", "0"),
        ),
    ] = 1.0
    queue_limit: Annotated[int, Knob(count, "How many submits may wait for the database before more get 503.")] = 5_000
    submit_rate: Annotated[
        Rate,
        Knob(
            rate,
            "How often an owner may submit, retry or redeliver; what is unused is saved up to it.",
            off("one owner from submitting all the time"),
        ),
    ] = Rate(6_000, 60.0)
    read_rate: Annotated[
        Rate,
        Knob(
            rate,
            "How often an owner may poll, list, fetch or open a stream.",
            off("one owner from reading all the time"),
        ),
    ] = Rate(60_000, 60.0)
    web_nodes: Annotated[
        int, Knob(count, "How many web processes share the rates of an owner: each grants that part of them.")
    ] = 1
    owner_queue_limit: Annotated[int, Knob(count, "How many operations of one owner may wait (PENDING).")] = 10_000
    owner_active_limit: Annotated[
        int, Knob(count, "How many operations of one owner may wait or run at once (PENDING and PROCESSING).")
    ] = 20_000
    depth_limit: Annotated[int, Knob(count, "How many operations of all may wait before more get 503.")] = 1_000_000
    streams_per_owner: Annotated[
        int, Knob(count, "How many streams and sockets of one owner a web process has open at once.")
    ] = 100
    stream_limit: Annotated[int, Knob(count, "The same for all owners together.")] = 10_000
    message_limit: Annotated[int, Knob(size, "The largest command on a WebSocket.")] = 16 << 10
    message_rate: Annotated[
        Rate, Knob(rate, "How often one WebSocket may send commands.", off("one socket from commanding all the time"))
    ] = Rate(40, 4.0)
    slots: Annotated[int, Knob(count, "How many operations one worker runs at once.")] = 32
    drain_timeout: Annotated[float, Knob(seconds, "How long running operations may go on after SIGTERM.")] = 5.0
    webhook_timeout: Annotated[float, Knob(seconds, "How long one try of a webhook may take.")] = 15.0
    webhook_concurrency: Annotated[int, Knob(count, "How many webhooks one process sends at once.")] = 128
    webhook_allow_http: Annotated[
        bool,
        Knob(
            flag,
            "Development: webhooks may go to http URLs, on any port.",
            Danger(bool, "webhooks go over plain http; this is for development", "yes"),
        ),
    ] = False
    webhook_allow_networks: Annotated[
        tuple[Network, ...],
        Knob(
            networks,
            "Development: networks that webhooks may go to though they are not public.",
            Danger(len, "clients can make this server send requests into them", "10.0.0.0/8"),
        ),
    ] = ()
    secret_keys: Annotated[
        tuple[SecretKey, ...],
        Knob(
            secret_keys,
            "Keys that seal webhooks' secrets in the database, the newest first; 32 bytes in base64.",
            Danger(lambda keys: not keys, "secrets of webhooks stand in the database as they are", ""),
        ),
    ] = ()
    tls_cert: Annotated[
        str, Knob(str, "A certificate chain (PEM): `accepted serve` then speaks TLS, 1.2 or newer.")
    ] = ""
    tls_key: Annotated[str, Knob(str, "Its private key (PEM).")] = ""
    notify: Annotated[bool, Knob(flag, "Hints between processes; off: they look once a second.")] = True
    listen_url: Annotated[
        str, Knob(str, "PostgreSQL behind a pooler: where to LISTEN, past it; empty: through the database's URL.")
    ] = ""
    unsafe_database: Annotated[
        bool,
        Knob(
            flag,
            "PostgreSQL with `fsync` or `full_page_writes` off is served nevertheless.",
            Danger(bool, "a 202 does not survive a crash of the database's machine", "yes"),
        ),
    ] = False
    prepared_statements: Annotated[
        bool, Knob(flag, "PostgreSQL: off behind a pooler that gives each transaction another connection.")
    ] = True
    log_format: Annotated[str, Knob(str, "What `accepted serve` logs: text or json.")] = "text"


def knobs() -> dict[str, Knob]:
    """All settings in order, with how they are read and what they mean."""
    hints = get_type_hints(Settings, include_extras=True)
    return {name: next(a for a in get_args(hints[name]) if isinstance(a, Knob)) for name in Settings.__struct_fields__}


def variable(name: str) -> str:
    """The environment variable of a setting; a database is named by a URL, as everywhere."""
    return "ACCEPTED_DATABASE_URL" if name == "database" else f"ACCEPTED_{name.upper()}"


def load(given: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Settings:
    """Settings out of keywords and the environment. Raises `InvalidSetting`, naming the setting and its source."""
    environment = os.environ if environment is None else environment
    known = knobs()
    if unknown := sorted(set(given) - set(known)):
        raise InvalidSetting(f"unknown setting: {', '.join(unknown)}")
    values: dict[str, Any] = {}
    for name, knob in known.items():
        if name in given and given[name] is not None:
            values[name] = _read(knob, given[name], name)
        elif variable(name) in environment:
            values[name] = _read(knob, environment[variable(name)], variable(name))
    values.setdefault("jwt_algorithms", ("RS256", "ES256") if values.get("jwt_jwks_url") else ())
    if values.get("jwt_key") and not values["jwt_algorithms"]:
        values["jwt_algorithms"] = ("HS256",)
    _check(
        settings := Settings(**values),
        {name: name if given.get(name) is not None else variable(name) for name in known},
    )
    return settings


def _read(knob: Knob, value: Any, source: str) -> Any:
    try:
        return knob.read(value)
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        raise InvalidSetting(f"{source}: {error}") from None


def _check(settings: Settings, source: Mapping[str, str]) -> None:
    if settings.lease_ttl < 0.5:
        raise InvalidSetting(f"{source['lease_ttl']}: a lease under 0.5 s is lost by an ordinary pause of the process")
    if settings.scan_interval <= 0:
        raise InvalidSetting(f"{source['scan_interval']}: has to be positive")
    if not 0 < settings.webhook_timeout <= 30:
        raise InvalidSetting(f"{source['webhook_timeout']}: has to be positive and at most 30 s")
    for name in ("head_timeout", "body_timeout", "send_timeout", "keep_alive"):
        if getattr(settings, name) < 1:
            raise InvalidSetting(f"{source[name]}: under 1 s an ordinary pause of the network would end it")
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise InvalidSetting(f"{source['tls_cert']} and {source['tls_key']}: one needs the other")
    _check_tokens(settings, source)
    if settings.log_format not in {"text", "json"}:
        raise InvalidSetting(f"{source['log_format']}: is text or json")
    if not settings.database.startswith(("sqlite:///", "postgresql://", "postgres://")):
        raise InvalidSetting(f"{source['database']}: starts with sqlite:/// or postgresql://")
    if settings.listen_url and not settings.listen_url.startswith(("postgresql://", "postgres://")):
        raise InvalidSetting(f"{source['listen_url']}: starts with postgresql://")
    if settings.secret_keys and find_spec("cryptography") is None:
        raise InvalidSetting(f"{source['secret_keys']}: needs cryptography: pip install 'accepted[encryption]'")
    if settings.database.startswith("postgres") and find_spec("asyncpg") is None:
        raise InvalidSetting(f"{source['database']}: PostgreSQL needs asyncpg: pip install 'accepted[postgres]'")


def _check_tokens(settings: Settings, source: Mapping[str, str]) -> None:
    """A public key must never be taken for a shared one, nor a token that was made for another service for ours."""
    public, shared = bool(settings.jwt_jwks_url), bool(settings.jwt_key)
    if not (public or shared):
        return
    if public and shared:
        raise InvalidSetting(f"{source['jwt_key']}: a token is verified by jwt_jwks_url or by jwt_key, not by both")
    family = "HS" if shared else ("RS", "PS", "ES", "Ed")
    if not settings.jwt_algorithms or not all(name.startswith(family) for name in settings.jwt_algorithms):
        raise InvalidSetting(
            f"{source['jwt_algorithms']}: not all of them fit {'jwt_key' if shared else 'public keys'}"
        )
    if shared and len(settings.jwt_key.encode()) < 32:
        raise InvalidSetting(f"{source['jwt_key']}: has to have at least 32 bytes")
    if public and not (settings.jwt_issuer and settings.jwt_audience):
        raise InvalidSetting(f"{source['jwt_jwks_url']}: needs jwt_issuer and jwt_audience, or tokens for others count")
    parts = urlsplit(settings.jwt_jwks_url)
    if public and parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        raise InvalidSetting(f"{source['jwt_jwks_url']}: has to be https")
    if settings.jwt_leeway > 300:
        raise InvalidSetting(f"{source['jwt_leeway']}: is at most 300 s")
    if find_spec("jwt") is None:
        raise InvalidSetting(f"{source['jwt_key']}: tokens need pyjwt: pip install 'accepted[jwt]'")
