"""A function in a child process: whatever becomes of the child, the worker lives and the operation ends."""

import asyncio
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest

from accepted.contract.operation import Operation, Status
from accepted.service import Service
from tests.engine import isolated
from tests.engine.gate import PATIENCE
from tests.engine.stage import OWNER, Stage, ended, submit, until


def failed(operation: Operation) -> tuple[str, str]:
    assert operation.status is Status.FAILED
    assert operation.error is not None
    return operation.error.slug, operation.error.detail


@pytest.mark.parametrize(
    ("function", "input", "ending"),
    [
        (isolated.exiting, 3, "exit code 3"),
        (isolated.exiting, 0, "exit code 0"),
        (isolated.aborting, None, "signal SIGABRT"),
        (isolated.crashing, None, "signal SIGSEGV"),
        (isolated.killing, None, "signal SIGKILL"),
    ],
)
async def test_a_child_that_dies(stage: Stage, function: object, input: object, ending: str) -> None:
    assert callable(function)
    stage.operation(isolate=True, name="deadly")(function)

    @stage.operation()
    async def fine() -> str:
        return "fine"

    node = await stage.node()
    slug, detail = failed(await ended(node, "deadly", input))
    assert slug == "operation-failed"
    assert ending in detail
    assert await (await submit(node, "fine")).result(PATIENCE) == "fine"


@pytest.mark.parametrize(
    ("kind", "detail"),
    [("value", "ValueError: not so"), ("exit", "SystemExit: 3"), ("interrupt", "KeyboardInterrupt")],
)
async def test_its_exceptions_are_named(stage: Stage, kind: str, detail: str) -> None:
    stage.operation(isolate=True)(isolated.raising)
    assert failed(await ended(await stage.node(), "raising", kind)) == ("operation-failed", detail)


async def test_a_failure_on_purpose_passes_through_whole(stage: Stage) -> None:
    stage.operation(isolate=True)(isolated.failing)
    operation = await ended(await stage.node(), "failing")
    assert failed(operation) == ("too-hot", "39 degrees")
    error = operation.error
    assert error is not None
    assert (error.title, error.status, error.retryable, error.retry_after) == ("Too Hot", 503, True, 7)
    assert error.members == {"degrees": 39}


@pytest.mark.parametrize(
    ("value", "slug"), [("nan", "invalid-result"), ("object", "invalid-result"), ("large", "result-too-large")]
)
async def test_what_is_no_result_there_is_none_here(stage: Stage, value: str, slug: str) -> None:
    stage.operation(isolate=True)(isolated.returning)
    assert failed(await ended(await stage.node(result_limit=50_000), "returning", value))[0] == slug


async def test_noise_on_its_standard_streams_is_harmless(stage: Stage) -> None:
    stage.operation(isolate=True)(isolated.noisy)
    assert await (await submit(await stage.node(), "noisy")).result(PATIENCE) == ""  # and its input is empty


async def test_a_large_artifact_comes_through_the_pipe(stage: Stage) -> None:
    size = 50_000_000
    stage.operation(isolate=True)(isolated.large)
    node = await stage.node()
    handle = await submit(node, "large", size)
    operation = await handle.wait(30)
    assert operation.result is not None
    artifact = operation.result.artifact
    assert artifact is not None
    assert (artifact.size, artifact.media_type, artifact.filename) == (size, "application/x-test", "large.bin")
    assert artifact.details == {"rows": size}
    assert artifact.digest == hashlib.sha256(bytes(size)).hexdigest()
    stored = hashlib.sha256()
    async for chunk in Service(node).content(operation, artifact, 0, size):
        stored.update(chunk)
    assert stored.hexdigest() == artifact.digest


# --- being stopped


async def cancelled_once_running(stage: Stage, name: str, input: object = None) -> Operation:
    node = await stage.node()
    handle = await submit(node, name, input)
    await until(node, handle.id, lambda each: each.progress is not None)
    return await asyncio.wait_for(Service(node).cancel(handle.id, OWNER, None), PATIENCE)


@pytest.mark.parametrize("function", [isolated.endless, isolated.deaf])
async def test_a_child_is_terminated_and_if_it_does_not_listen_killed(stage: Stage, function: object) -> None:
    assert callable(function)
    stage.operation(isolate=True, name="endless", cancel_grace=PATIENCE)(function)
    operation = await cancelled_once_running(stage, "endless")
    assert (operation.status, operation.work_stopped) == (Status.CANCELLED, True)


async def test_its_own_children_are_ended_with_it(stage: Stage, tmp_path: Path) -> None:
    with Lifeline(tmp_path) as lifeline:
        stage.operation(isolate=True, cancel_grace=PATIENCE)(isolated.parent_of)
        operation = await cancelled_once_running(stage, "parent-of", str(lifeline.path))
        assert operation.work_stopped is True
        assert await lifeline.let_go() == b"held"


async def test_a_child_that_dies_takes_what_it_has_forked_along(stage: Stage, tmp_path: Path) -> None:
    """What it leaves behind has inherited the line to us, which must not look as if it were still there."""
    with Lifeline(tmp_path) as lifeline:
        stage.operation(isolate=True)(isolated.orphaning)
        slug, detail = failed(await ended(await stage.node(), "orphaning", str(lifeline.path)))
        assert (slug, "exit code 9" in detail) == ("operation-failed", True)
        assert await lifeline.let_go() == b"held"


async def test_a_child_that_stays_after_its_last_word_does_not_hold_its_result_back(stage: Stage) -> None:
    stage.operation(isolate=True)(isolated.deaf_but_done)
    assert await (await submit(await stage.node(), "deaf-but-done")).result(PATIENCE) == "done"


class Lifeline:
    """A pipe with a name: it is at its end once the last process that holds it has ended.

    It is open for reading from the start and never waited for in a thread: whoever should hold it may have died before.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "alive"
        os.mkfifo(self.path)
        self._end = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    async def let_go(self) -> bytes:
        """What was written to it, once nobody holds it any more. TimeoutError where somebody still does."""
        written = b""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    part = os.read(self._end, 100)
                except BlockingIOError:
                    await asyncio.sleep(0.01)
                    continue
                if not part:
                    return written
                written += part

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._end)


# --- scripts

SCRIPT = """
import asyncio
import os
import sys

from accepted import Accepted

app = Accepted(database="sqlite:///" + sys.argv[1])


@app.operation("/square", isolate=True)
def square(number: int) -> list[int]:
    return [number * number, os.getpid()]


async def main() -> None:
    async with app:
        result, child = await (await app.submit("square", 12)).result(timeout=30)
        print(result, child != os.getpid())


if __name__ == "__main__":
    asyncio.run(main())
"""


def test_a_function_of_a_script_runs_in_a_child_too(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "accepted.db")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "144 True\n"), done.stderr
