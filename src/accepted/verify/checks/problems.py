"""Sections 11 and 12: refusals, and what is around it."""

from __future__ import annotations

from ..check import CORE, FULL, check
from ..exchange import expect
from ..manifest import Feature
from ..trial import Trial, check_problem

NOWHERE = "/no/such/path/anywhere"


@check("problem.not-found", "An unknown path is a 404 with problem details.", level=CORE)
async def not_found(trial: Trial) -> None:
    check_problem(await trial.get(NOWHERE), 404)


@check("problem.method", "A known path with a wrong method is a 405 that says in Allow what works.", level=CORE)
async def method(trial: Trial) -> None:
    answer = await trial.ask("PUT", trial.use("quick").path, json={})
    check_problem(answer, 405)
    expect("POST" in answer.header("allow"), f"Allow is {answer.header('allow')!r}")


@check("problem.instance", "A problem says in detail what is wrong, and where: instance.", level=FULL)
async def instance(trial: Trial) -> None:
    problem = check_problem(await trial.get(NOWHERE), 404)
    for member in ("detail", "instance"):
        expect(isinstance(problem.get(member), str) and problem[member], f"the problem has no {member}")


@check(
    "problem.types",
    "The type of a problem leads to a page that explains it.",
    level=FULL,
    uses=["failing"],
    needs=[Feature.PROBLEM_PAGES],
)
async def types(trial: Trial) -> None:
    problem = check_problem(await trial.get(NOWHERE), 404)
    answer = await trial.get(str(problem["type"]))
    expect(answer.status == 200, f"GET on {problem['type']} answered {answer.status}")
    expect(answer.body, f"the page at {problem['type']} is empty")


@check("problem.no-sniffing", "Answers are told not to be guessed at: X-Content-Type-Options: nosniff.", level=FULL)
async def no_sniffing(trial: Trial) -> None:
    answer = await trial.submit("quick")
    expect(answer.header("x-content-type-options") == "nosniff", "the 202 has no X-Content-Type-Options: nosniff")


@check("around.health", "The health endpoint is 200 UP.", level=FULL, needs=[Feature.HEALTH])
async def health(trial: Trial) -> None:
    answer = await trial.get(trial.manifest.paths.health)
    expect(answer.status == 200, f"it answered {answer.status}")
    expect(answer.document.get("status") == "UP", f"the status is {answer.document.get('status')!r}")


@check("around.metrics", "Metrics count what is submitted.", level=FULL, needs=[Feature.METRICS])
async def metrics(trial: Trial) -> None:
    await trial.ran("quick")
    answer = await trial.get(trial.manifest.paths.metrics)
    expect(answer.status == 200, f"it answered {answer.status}")
    expect(b"accepted_submissions_total" in answer.body, "there is no accepted_submissions_total")
