"""OpenAPI 3.1 of what an app really serves: contract, section 12.

Every path has a function here that says what can come back, problems included; a test holds the paths against the
router's table, and schemathesis holds the answers against the schemas. `install.py` puts the same operations into the
document of a FastAPI app.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..contract import problem as refused
from ..contract import wire
from ..contract.traffic import QuotaExceeded
from ..engine.model import ABSENT, Model
from ..engine.registry import Registered, Registry
from ..version import VERSION
from . import openapi_parts as part
from .call import JSON, NO_STORE, Call
from .openapi_parts import operation, parameter, refusals
from .openapi_paths import OF_BODY, OF_OPERATION, OF_WRITE, accepted, ended, fixed, result
from .openapi_schemas import Schema, closed, contract_schemas, ref
from .openapi_statistics import dashboard, statistic_schemas, statistics
from .openapi_streams import streams
from .openapi_webhooks import callbacks, webhook_schemas, with_webhook

_BASES_KEPT = 16  # a prefix may have parameters, so there may be many; one document is made in milliseconds
_DESCRIPTION = (
    "Each POST of an operation is answered at once by 202 Accepted, when the operation is durable. Poll its status "
    "URL: 200 while it runs, 303 to the result once it is COMPLETED. Errors are problem details (RFC 9457)."
)
_TAGS = {
    "submit": "Start an operation.",
    "operations": "Watch it, cancel it, try it again.",
    "streams": "Follow it as it goes on.",
    "results": "What operations returned.",
    "webhooks": "What was told to the URLs that clients registered.",
    "jobs": "The operator's view.",
    "statistics": "All operations at once.",
    "dashboard": "All of it on a page.",
    "health": "The server itself.",
}


class OpenApi:
    """`GET /openapi.json`."""

    def __init__(self, registry: Registry, guarded: Callable[[], bool]) -> None:
        self._registry = registry
        self._guarded = guarded
        self._written: dict[tuple[str, bool], bytes] = {}

    async def get(self, call: Call) -> None:
        """The whole document."""
        of = call.base, self._guarded()
        body = self._written.get(of)
        if body is None:
            while len(self._written) >= _BASES_KEPT:
                del self._written[next(iter(self._written))]
            body = self._written[of] = wire.encode(self.document(*of))
        await call.answer(200, body, JSON, NO_STORE)

    def document(self, base: str, guarded: bool = False) -> Schema:
        """The document for an app whose links start with `base`; `guarded` if it asks for credentials."""
        paths, components = described(self._registry)
        return {
            "openapi": "3.1.0",
            "info": {"title": "Asynchronous operations", "version": VERSION, "description": _DESCRIPTION},
            **({"servers": [{"url": base}]} if base else {}),
            "tags": [{"name": name, "description": about} for name, about in _TAGS.items()],
            **({"security": part.BEARER} if guarded else {}),
            "paths": paths if guarded else _open(paths),
            "components": {"schemas": components, **({"securitySchemes": part.SECURITY} if guarded else {})},
        }


def _open(paths: dict[str, Schema]) -> dict[str, Schema]:
    """The same where nobody is asked for credentials."""
    return {
        path: {
            method: {name: value for name, value in found.items() if name != "security"}
            for method, found in methods.items()
        }
        for path, methods in paths.items()
    }


def described(registry: Iterable[Registered]) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """(paths, component schemas) of an app with these operations; `paths` has an operation for each path and method."""
    components = contract_schemas() | webhook_schemas() | statistic_schemas()
    paths: dict[str, Schema] = {}
    outputs: list[Schema] = []
    for registered in registry:
        output = _output(registered, components)
        outputs += [output] if output not in outputs else []
        paths.setdefault(registered.path, {})["post"] = _submit(registered, output, components)
        if registered.result is not None:
            paths.setdefault(registered.result, {})["get"] = _resource(registered, output)
    for path, method, found in (*fixed(outputs), *streams(), *statistics(), *dashboard()):
        paths.setdefault(path, {})[method] = found
    return paths, components


# --- what users registered


def _submit(registered: Registered, output: Schema, components: dict[str, Schema]) -> Schema:
    headline, _, rest = registered.summary.partition("\n\n")
    about = [rest.strip(), _promise(registered, output)]
    refusals_of = (*OF_BODY, *OF_WRITE, *OF_OPERATION[1:], refused.InvalidIdempotencyKey)
    return operation(
        id=f"submit-{registered.name}",
        tag="submit",
        summary=" ".join(headline.split()) or f"Submit {registered.name}",
        description="\n\n".join(filter(None, about)),
        parameters=[part.IDEMPOTENCY_KEY, part.PREFER, part.REDIRECT],
        requestBody=_input(registered, components),
        callbacks=callbacks(),
        responses={
            **accepted("Accepted: it is durable and will be run.", {"Idempotency-Replayed": part.REPLAYED}),
            **ended(),
            **refusals(
                *refusals_of,
                refused.IdempotencyKeyReused,
                refused.InvalidParameter,
                refused.WebhookUrlForbidden,
                QuotaExceeded,
            ),
        },
    )


def _promise(registered: Registered, output: Schema) -> str:
    """What will come of it, said in words: OpenAPI has no place for the answer to another request."""
    where = registered.result or "/operations/{id}/result"
    kind = "" if "$ref" not in output else f" is a `{output['$ref'].rpartition('/')[2]}` and"
    return f"Once COMPLETED, the result{kind} is at `{where}`."


def _input(registered: Registered, components: dict[str, Schema]) -> Schema:
    if registered.input.type is ABSENT:
        nothing = {"oneOf": [{"type": "null"}, closed({}, {"webhook": ref("Webhook")})]}
        return {"description": "None is needed.", "content": {part.JSON_MEDIA: {"schema": nothing}}}
    schema = _of_user(registered, registered.input, components, output=False)
    return {"required": True, "content": {part.JSON_MEDIA: {"schema": with_webhook(schema, components)}}}


def _output(registered: Registered, components: dict[str, Schema]) -> Schema:
    """What it returns; empty for an artifact, and where nothing is known."""
    return _of_user(registered, registered.output, components, output=True)


def _of_user(registered: Registered, model: Model, components: dict[str, Schema], *, output: bool) -> Schema:
    prefix = "".join(word.capitalize() for word in registered.name.replace("_", "-").replace(".", "-").split("-"))
    schema, group = part.named(*model.schema(output=output))
    found: Schema = part.joined(schema, group, components, prefix)
    return found


def _resource(registered: Registered, output: Schema) -> Schema:
    member = registered.result_member()
    identity = parameter("path", member, {"type": "string", "pattern": "^[^/]+$"}, "As `Location` gave it.")
    general = result([output])
    return general | {
        "operationId": f"result-of-{registered.name}",
        "summary": f"The result of {registered.name}",
        "parameters": [identity, *general["parameters"][1:]],
    }
