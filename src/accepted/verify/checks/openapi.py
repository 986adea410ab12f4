"""Section 12: the OpenAPI document against what the server really does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ..check import FULL, check
from ..exchange import expect
from ..manifest import Feature
from ..trial import Operation, Trial
from .jobs import job_url

OPENAPI = [Feature.OPENAPI]
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


async def described(trial: Trial) -> dict[str, Any]:
    """The document. Raises `Broken`."""
    answer = await trial.get(trial.manifest.paths.openapi)
    expect(answer.status == 200, f"the OpenAPI document was answered {answer.status}")
    found = answer.document
    expect(isinstance(found.get("paths"), dict) and found["paths"], "the document has no paths")
    return found


def base_of(document: dict[str, Any]) -> str:
    """What its paths stand behind."""
    servers = document.get("servers")
    return str(servers[0].get("url", "")).rstrip("/") if isinstance(servers, list) and servers else ""


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation) of all that it offers."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if isinstance(item, dict) and isinstance(item.get(method), dict):
                yield path, method, item[method]


def is_documented(status: int, operation: dict[str, Any]) -> bool:
    """Whether it says that this status may come."""
    responses = operation.get("responses") or {}
    return bool({str(status), f"{status // 100}XX", "default"} & {str(code) for code in responses})


@check("openapi.document", "There is an OpenAPI 3 document.", level=FULL, needs=OPENAPI)
async def document(trial: Trial) -> None:
    found = await described(trial)
    expect(str(found.get("openapi", "")).startswith("3."), f"openapi is {found.get('openapi')!r}")
    info = found.get("info")
    expect(isinstance(info, dict) and info.get("title") and info.get("version"), "info has no title and version")


@check("openapi.operations", "It has the operations, each with its input and a 202.", level=FULL, needs=OPENAPI)
async def of_manifest(trial: Trial) -> None:
    found = await described(trial)
    for role, use in trial.manifest.operations.items():
        post = (found["paths"].get(use.path) or {}).get("post")
        expect(isinstance(post, dict), f"POST {use.path} ({role}) is not in it")
        expect("202" in (post or {}).get("responses", {}), f"POST {use.path} has no 202")
        needs_body = use.input is not msgspec.UNSET
        expect("requestBody" in (post or {}) or not needs_body, f"POST {use.path} has no requestBody")


@check("openapi.offers", "What it offers is there, and answers as it says.", level=FULL, needs=OPENAPI)
async def offers(trial: Trial) -> None:
    found = await described(trial)
    operation, _ = await trial.ran("quick", "COMPLETED")
    asked = 0
    for path, method, offered in operations(found):
        target = filled(trial, path, operation)
        if target is None or method not in {"get", "post"} or (method == "post" and "{" not in path):
            continue
        asked += 1
        if method == "get":
            async with trial.caller.stream(base_of(found) + target, {}) as response:
                status = response.status_code
        else:
            status = (await trial.ask("POST", base_of(found) + target)).status
        expect(is_documented(status, offered), f"{method.upper()} {path} answered {status}, which it does not mention")
        expect(status < 500, f"{method.upper()} {path} answered {status}")
        gone = status == 404 and not path.endswith("/result")
        expect(not gone, f"{method.upper()} {path} is offered, and is not there")
    expect(asked, "it offers nothing that could be asked for")


@check(
    "openapi.methods", "Other methods than those it offers are a 405 whose Allow has those.", level=FULL, needs=OPENAPI
)
async def methods(trial: Trial) -> None:
    found = await described(trial)
    for path, item in found["paths"].items():
        if "{" in path or "patch" in item:
            continue
        answer = await trial.ask("PATCH", base_of(found) + path, json={})
        expect(answer.status == 405, f"PATCH {path} answered {answer.status}, not 405")
        allowed = {each.strip().lower() for each in answer.header("allow").split(",")}
        missing = sorted({method for method in METHODS if method in item} - allowed)
        expect(not missing, f"Allow of {path} has no {', '.join(missing)}")


@check("openapi.refusals", "It tells of the refusals that a submit may get.", level=FULL, needs=OPENAPI)
async def refusals(trial: Trial) -> None:
    found = await described(trial)
    path = trial.use("quick").path
    post = (found["paths"].get(path) or {}).get("post") or {}
    answer = await trial.ask("POST", path, body=b"{")
    expect(is_documented(answer.status, post), f"POST {path} answers {answer.status}, which it does not mention")


@check("openapi.links", "Where links lead is in it.", level=FULL, needs=[*OPENAPI, Feature.LINKS])
async def links(trial: Trial) -> None:
    found = await described(trial)
    operation = await trial.begin("quick")
    offered = [pattern(base_of(found) + path) for path in found["paths"]]
    for name, link in operation.links.items():
        path = re.sub(r"^[a-z]+://[^/]+", "", link).partition("?")[0]
        if name != "websocket":  # OpenAPI has no place for it
            expect(any(each.fullmatch(path) for each in offered), f"links.{name} leads to {path}, which is not in it")


def pattern(path: str) -> re.Pattern[str]:
    """A path's template as a pattern."""
    return re.compile("[^/]+".join(re.escape(part) for part in re.split(r"\{[^}]*\}", path)))


def filled(trial: Trial, path: str, operation: Operation) -> str | None:
    """A path with this operation's ids in it; None where it wants to know something else."""
    if "{" not in path:
        return path
    paths = trial.manifest.paths
    for collection, own in ((paths.operations, operation.url), (paths.jobs, job_url(trial, operation))):
        id = own.partition("?")[0].rstrip("/").rpartition("/")[2]
        target = re.sub(rf"^{re.escape(collection)}/\{{[^}}]+\}}", f"{collection}/{id}", path)
        if "{" not in target:
            return target
    return None
