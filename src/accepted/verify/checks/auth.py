"""Who is let in, and whose operation it is. Somebody else's looks exactly like nothing."""

from __future__ import annotations

from ..check import FULL, check
from ..exchange import Answer, Broken, Caller, expect
from ..manifest import Feature
from ..talking import Refused, talk
from ..trial import UNKNOWN, Trial, check_problem, with_query
from .idempotency import id_of, keyed
from .jobs import job_url, page_of
from .sockets import socket_of
from .streams import stream_of


@check("auth.required", "Without a token everything is a 401 with WWW-Authenticate.", level=FULL, needs=[Feature.AUTH])
async def required(trial: Trial) -> None:
    operation = await trial.begin("quick")
    await refused(trial, trial.stranger, operation.url)


@check("auth.wrong", "A wrong token is a 401 too.", level=FULL, needs=[Feature.AUTH])
async def wrong(trial: Trial) -> None:
    operation = await trial.begin("quick")
    auth = trial.manifest.auth
    assert auth is not None
    headers = {**trial.stranger.headers, auth.header.lower(): f"{auth.scheme} wrong-{'x' * 40}".strip()}
    await refused(trial, Caller.like(trial.stranger, headers), operation.url)


@check("auth.query", "A token in the URL, where logs keep it, lets nobody in.", level=FULL, needs=[Feature.AUTH])
async def query(trial: Trial) -> None:
    operation = await trial.begin("quick")
    auth = trial.manifest.auth
    assert auth is not None
    token = trial.caller.headers[auth.header.lower()].rpartition(" ")[2]
    for name in ("access_token", "token", "api_key"):
        answer = await trial.stranger.get(with_query(operation.url, f"{name}={token}"))
        expect(answer.status == 401, f"?{name}= was answered {answer.status}, not 401")


async def refused(trial: Trial, who: Caller, url: str) -> None:
    """Nothing is given to this caller."""
    use = trial.use("quick")
    for method, target, json in (("POST", use.path, use.input), ("GET", url, None)):
        answer = await (who.ask(method, target) if json is None else who.ask(method, target, json=json))
        expect(answer.status == 401, f"{method} {target} was answered {answer.status}, not 401")
        check_problem(answer, 401)
        expect(answer.header("www-authenticate"), "the 401 has no WWW-Authenticate")


@check(
    "auth.owners",
    "Somebody else's operation is a 404 on all of its paths, the same bytes as of an unknown one.",
    level=FULL,
    needs=[Feature.OWNERS],
)
async def owners(trial: Trial) -> None:
    operation, _ = await trial.ran("quick", "COMPLETED")
    own = operation.url.partition("?")[0]
    targets = [("GET", own), ("POST", operation.link("cancel", "/cancel"))]
    features = {
        ("POST", f"{own}/retry"): Feature.RETRY,
        ("GET", f"{own}/result"): Feature.RESULT,
        ("GET", stream_of(operation)): Feature.STREAMS,
        ("GET", f"{own}/deliveries"): Feature.WEBHOOKS,
    }
    targets += [target for target, feature in features.items() if feature not in trial.manifest.missing]
    for method, target in targets:
        foreign = await trial.other.ask(method, target)
        nothing = await trial.other.ask(method, target.replace(operation.id, UNKNOWN))
        expect(foreign.status == 404, f"somebody else's {method} {target} was answered {foreign.status}, not 404")
        expect(bare(foreign, operation.id) == bare(nothing, UNKNOWN), f"{method} {target} differs from an unknown one")


@check(
    "auth.jobs", "Jobs of somebody else are in no list, and are 404.", level=FULL, needs=[Feature.OWNERS, Feature.JOBS]
)
async def jobs(trial: Trial) -> None:
    operation, _ = await trial.ran("quick")
    url = job_url(trial, operation)
    check_problem(await trial.other.get(url), 404)
    data, _ = page_of(await trial.other.get(f"{trial.manifest.paths.jobs}?limit=100"))
    expect(url.rpartition("/")[2] not in {job.get("jobId") for job in data}, "somebody else's job is in the list")


@check("auth.keys", "An idempotency key is its caller's own.", level=FULL, needs=[Feature.OWNERS, Feature.IDEMPOTENCY])
async def keys(trial: Trial) -> None:
    headers = keyed()
    mine = await trial.submit("quick", headers=headers)
    theirs = await trial.submit("quick", headers=headers, caller=trial.other)
    expect(theirs.status == 202, f"the other caller's submit was answered {theirs.status}")
    expect(id_of(mine) != id_of(theirs), "two callers with one key got one operation")


@check(
    "auth.sockets",
    "A socket to somebody else's operation is a 404 before the upgrade.",
    level=FULL,
    needs=[Feature.OWNERS, Feature.SOCKETS],
)
async def sockets(trial: Trial) -> None:
    operation = await trial.begin("quick")
    try:
        async with talk(trial, socket_of(operation), caller=trial.other) as socket:
            await socket.hear()
    except Refused as answer:
        check_problem(answer.answer, 404)
        return
    raise Broken("a socket to somebody else's operation was opened")


def bare(answer: Answer, id: str) -> bytes:
    """Its body, but for the id that was asked for."""
    return answer.body.replace(id.encode(), b"<id>")
