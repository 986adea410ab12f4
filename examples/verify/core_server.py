"""A server of the core level in 150 lines: Starlette, a dictionary and nothing of Accepted's.

    uvicorn core_server:app
    accepted verify http://localhost:8000 --manifest core_server.toml --level core

It shows what the least of the pattern is, and that the kit judges any server. It forgets everything when it stops.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Work = Callable[["Task"], Awaitable[Any]]


class Task:
    """One operation: what is told of it, and the coroutine that does it."""

    def __init__(self, work: Work) -> None:
        self.id = secrets.token_hex(8)
        self.url = f"/tasks/{self.id}"
        self.told: dict[str, Any] = {
            "operationId": self.id,
            "status": "PENDING",
            "createdAt": now(),
            "statusUrl": self.url,
        }
        self.result: Any = None
        self.running = asyncio.create_task(self._run(work))

    def progress(self, current: int, total: int) -> None:
        """So far."""
        self.told["progress"] = {"current": current, "total": total, "percentage": 99 * current // total}

    @property
    def ended(self) -> bool:
        return self.told["status"] in {"COMPLETED", "FAILED", "CANCELLED"}

    async def _run(self, work: Work) -> None:
        self.told |= {"status": "PROCESSING", "startedAt": now()}
        try:
            self.result = await work(self)
            url = f"{self.url}/result"
            self.told |= {"status": "COMPLETED", "completedAt": now(), "result": {"url": url}}
        except asyncio.CancelledError:
            self.told |= {"status": "CANCELLED", "cancelledAt": now()}
        except ArithmeticError as error:
            self.told |= {"status": "FAILED", "failedAt": now(), "error": problem(500, "Failed", str(error))}


tasks: dict[str, Task] = {}


def now() -> str:
    """The time as JSON has it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def problem(status: int, title: str, detail: str) -> dict[str, Any]:
    """Problem details (RFC 9457)."""
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}


async def refuse(request: Request, error: Exception) -> Response:
    """Every refusal looks alike."""
    assert isinstance(error, HTTPException)
    body = problem(error.status_code, "Refused", error.detail)
    return JSONResponse(body, error.status_code, error.headers, media_type="application/problem+json")


def accepting(read: Callable[[Any], Work]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that takes work; `read` makes it of the input, or raises ValueError."""

    async def accept(request: Request) -> Response:
        try:
            task = Task(read(await request.json()))
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        tasks[task.id] = task
        headers = {"location": task.url, "retry-after": "1"}
        return JSONResponse(task.told, 202, headers)

    return accept


def add(input: Any) -> Work:
    """Adds two numbers up, slowly if there are many."""
    if not isinstance(input, dict) or not isinstance(input.get("upTo"), int):
        raise ValueError("upTo has to be a number")

    async def work(task: Task) -> int:
        total = 0
        for number in range(input["upTo"]):
            await asyncio.sleep(0.05)
            task.progress(number, input["upTo"])
            total += number
        return total

    return work


def divide(input: Any) -> Work:
    """Divides by nothing."""

    async def work(task: Task) -> float:
        return 1 / 0

    return work


def found(request: Request) -> Task:
    """The task that a request is about."""
    task = tasks.get(request.path_params["id"])
    if task is None:
        raise HTTPException(404, "There is no such task.")
    return task


async def status(request: Request) -> Response:
    """How far it is; 303 to its result once it is there."""
    task = found(request)
    headers = {"cache-control": "no-store"} | ({} if task.ended else {"retry-after": "1"})
    if task.told["status"] == "COMPLETED":
        return JSONResponse(task.told, 303, headers | {"location": task.told["result"]["url"]})
    return JSONResponse(task.told, headers=headers)


async def result(request: Request) -> Response:
    """What came out."""
    task = found(request)
    if task.told["status"] != "COMPLETED":
        raise HTTPException(404, "There is no result.")
    return JSONResponse(task.result)


async def cancel(request: Request) -> Response:
    """Stop it."""
    task = found(request)
    if task.told["status"] in {"COMPLETED", "FAILED"}:
        raise HTTPException(409, f"It is {task.told['status']}.")
    if not task.ended:
        with contextlib.suppress(ValueError):
            task.told["reason"] = (await request.json()).get("reason")
        task.running.cancel()
        await asyncio.wait({task.running})
    return JSONResponse({name: task.told.get(name) for name in ("operationId", "status", "cancelledAt", "reason")})


app = Starlette(
    routes=[
        Route("/sums", accepting(add), methods=["POST"]),
        Route("/quotients", accepting(divide), methods=["POST"]),
        Route("/tasks/{id}", status),
        Route("/tasks/{id}/result", result),
        Route("/tasks/{id}/cancel", cancel, methods=["POST"]),
    ],
    exception_handlers={HTTPException: refuse},
)
