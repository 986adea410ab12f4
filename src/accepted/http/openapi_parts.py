"""What an OpenAPI document is put together from: headers, parameters, answers, refusals, and users' own schemas.

Users' schemas come with names of their own choosing. Two that share a name but not a shape are kept apart here, and
so are all of ours from those of an app that we are installed into.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..contract.problem import (
    Forbidden,
    HostNotAllowed,
    InternalError,
    MethodNotAllowed,
    OutcomeUnknown,
    Overloaded,
    Refusal,
    StorageFull,
    Unauthenticated,
)
from ..contract.traffic import BadRequest, PollingTooFast, QuotaExceeded, RateLimited
from .openapi_schemas import SCHEMAS, TEXT, Schema, ref

JSON_MEDIA = "application/json"
PROBLEM_MEDIA = "application/problem+json"

_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


# --- headers and parameters


def header(schema: Schema, description: str, *, always: bool = True) -> Schema:
    """A header of an answer; `always` there, or only sometimes."""
    return {"description": description, "schema": schema} | ({"required": True} if always else {})


LOCATION = header({"type": "string", "format": "uri-reference"}, "Where the operation, or its result, is.")
RETRY_AFTER = header({"type": "integer", "minimum": 1}, "Seconds until the next poll makes sense.")
RETRY_AFTER_SOMETIMES = header(RETRY_AFTER["schema"], "Seconds until it makes sense to ask again.", always=False)
ETAG = header(TEXT, "The version of the document.")
VARY = header(TEXT, "`Prefer`.")
APPLIED = header(TEXT, "What of `Prefer` was honoured.", always=False)
POLICY = header(TEXT, 'The caller\'s rate: `"submit";q=6000;w=60`.', always=False)
RATE = header(TEXT, 'What is left of it, and when it is whole again: `"submit";r=5999;t=1`.', always=False)
REPLAYED = header({"type": "string", "const": "true"}, "Where the key came before.", always=False)


def parameter(where: str, name: str, schema: Schema, description: str, **about: Any) -> Schema:
    """A parameter in the path, the query or a header."""
    required = {"required": True} if where == "path" else {}
    return {"name": name, "in": where, "description": description, **required, "schema": schema, **about}


PREFER = parameter(
    "header",
    "Prefer",
    TEXT,
    "`wait=N` answers when something has happened, at the latest after N seconds; `respond-async` is the default said "
    "aloud (RFC 7240).",
    examples={"wait": {"value": "wait=10"}, "async": {"value": "respond-async"}},
)
IDEMPOTENCY_KEY = parameter(
    "header",
    "Idempotency-Key",
    {"type": "string", "pattern": r'^[!#-~][!-~]{0,254}$|^"([!#-\[\]-~]|\\["\\]){1,255}"$'},
    "Sent again with the same body, it gives the same operation, not a second one. 1 to 255 visible ASCII characters, "
    "quoted or bare.",
)
IF_NONE_MATCH = parameter("header", "If-None-Match", TEXT, "An `ETag`; 304 while nothing has changed.")
REDIRECT = parameter(
    "query", "redirect", {"type": "boolean", "default": True}, "False: 200 where 303 would stand, with the same body."
)


# --- who may ask

SECURITY: Schema = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or a token that this server knows."},
    "ticket": {"type": "apiKey", "in": "query", "name": "ticket", "description": "Used once, within 30 seconds."},
}
BEARER: list[Schema] = [{"bearer": []}]
BEARER_OR_TICKET: list[Schema] = [*BEARER, {"ticket": []}]
NO_CREDENTIALS: list[Schema] = []


# --- operations and their answers


def operation(id: str, tag: str, summary: str, *, responses: dict[str, Schema], **more: Any) -> Schema:
    """What one method of a path does."""
    return {"operationId": id, "tags": [tag], "summary": summary, **more, "responses": responses}


def answer(
    description: str,
    schema: Schema | None = None,
    *,
    media: str = JSON_MEDIA,
    headers: Mapping[str, Schema] | None = None,
) -> Schema:
    """An answer with a body of this schema."""
    content = {} if schema is None else {"content": {media: {"schema": schema}}}
    return {"description": description} | ({"headers": dict(headers)} if headers else {}) | content


def html(description: str) -> Schema:
    """A page for a person."""
    return answer(description, TEXT, media="text/html")


def refusals(*kinds: type[Refusal], store: bool = True, public: bool = False) -> dict[str, Schema]:
    """Every problem that can be the answer, by status; those that any path may give come by themselves.

    `store` says that the path asks the database, `public` that it asks for no credentials.
    """
    guarded = () if public else (Unauthenticated, Forbidden, *((RateLimited,) if store else ()))
    always = (BadRequest, HostNotAllowed, InternalError, *guarded, *((Overloaded,) if store else ()))
    found: dict[str, list[type[Refusal]]] = {}
    for kind in (*kinds, *always):
        found.setdefault(str(kind.status), []).append(kind)
    return {status: _refusal(found[status]) for status in sorted(found)}


_BUSY = {PollingTooFast, QuotaExceeded, RateLimited}


def _refusal(kinds: list[type[Refusal]]) -> Schema:
    about = "\n".join(f"- `{kind.slug}`: {kind.explanation}" for kind in kinds)
    headers: dict[str, Schema] = {}
    if any(kind in {Overloaded, StorageFull, OutcomeUnknown, *_BUSY} for kind in kinds):
        headers["Retry-After"] = RETRY_AFTER_SOMETIMES
    if RateLimited in kinds:
        headers |= {"RateLimit-Policy": POLICY, "RateLimit": RATE}
    if Unauthenticated in kinds:
        headers["WWW-Authenticate"] = header(TEXT, "`Bearer`.")
    if MethodNotAllowed in kinds:
        headers["Allow"] = header(TEXT, "The methods that the path knows.")
    return answer(about, ref("Problem"), media=PROBLEM_MEDIA, headers=headers)


# --- users' schemas


def named(schema: Schema, components: dict[str, Schema]) -> tuple[Schema, dict[str, Schema]]:
    """The same with a component for the schema itself where it is an object with a title, as pydantic writes models."""
    name = _UNFIT.sub("_", str(schema.get("title", ""))).strip("_")
    if schema.get("type") != "object" or "properties" not in schema or not name or name in components:
        return schema, components
    return ref(name), {**components, name: schema}


def joined(schema: Any, group: Mapping[str, Schema], taken: dict[str, Schema], prefix: str) -> Any:
    """`schema` after `group`, the components it refers to, has `moved_in`."""
    return renamed(schema, moved_in(group, taken, prefix))


def moved_in(group: Mapping[str, Schema], taken: dict[str, Schema], prefix: str) -> dict[str, str]:
    """Put a group of components into `taken`. Those whose name means something else there get `prefix`, and a number
    where that is taken as well; the new names are returned.
    """
    strange = _strangers(group, taken)
    for number in itertools.count(1):
        names = {name: f"{prefix}{name}{number if number > 1 else ''}" for name in strange}
        moved = {names.get(name, name): renamed(component, names) for name, component in group.items()}
        if len(moved) == len(group) and all(taken.get(name, found) == found for name, found in moved.items()):
            taken.update(moved)
            return names
    raise AssertionError("numbers do not end")


def _strangers(group: Mapping[str, Schema], taken: Mapping[str, Schema]) -> set[str]:
    """Names that stand for another schema in `taken`, and all that refer to such: they are other schemas as well."""
    strange = {name for name in group if name in taken and taken[name] != group[name]}
    while more := {
        name for name in group.keys() - strange if name in taken and not strange.isdisjoint(references(group[name]))
    }:
        strange |= more
    return strange


def renamed(schema: Any, names: Mapping[str, str]) -> Any:
    """The same with references to other names, in `$ref` and in a discriminator's `mapping`."""
    if isinstance(schema, dict):
        return {key: renamed(value, names) for key, value in schema.items()}
    if isinstance(schema, list):
        return [renamed(item, names) for item in schema]
    if isinstance(schema, str) and schema.startswith(SCHEMAS):
        name = schema.removeprefix(SCHEMAS)
        return SCHEMAS + names.get(name, name)
    return schema


def references(schema: Any) -> set[str]:
    """The names of all components that it refers to."""
    if isinstance(schema, dict):
        return references(list(schema.values()))
    if isinstance(schema, list):
        return set().union(*map(references, schema))
    return {schema.removeprefix(SCHEMAS)} if isinstance(schema, str) and schema.startswith(SCHEMAS) else set()


def inlined(schema: Any, components: Mapping[str, Schema], within: Iterable[str] = ()) -> Any:
    """The same without references. Where a schema contains itself, anything goes: JSON Schema cannot say it inline."""
    if isinstance(schema, list):
        return [inlined(item, components, within) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(name := schema.get("$ref"), str):
        name = name.removeprefix(SCHEMAS)
        inner = {} if name in within else inlined(components[name], components, (*within, name))
        return {"title": name, **inner, **{key: value for key, value in schema.items() if key != "$ref"}}
    return {key: inlined(value, components, within) for key, value in schema.items() if key != "discriminator"}
