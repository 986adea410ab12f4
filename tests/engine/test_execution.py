"""Where functions run: on a loop of their own, in threads; what they do there hurts nobody else (guarantee L7)."""

import asyncio
import contextlib
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future

import pytest

from accepted import Attempt
from accepted.contract.operation import Operation, Result, Status
from accepted.contract.transition import Renew
from accepted.engine.execution import CoroutineExecution, Job, UserLoop
from accepted.engine.registry import Registered
from accepted.engine.result import Limits
from accepted.store.protocol import StoreUnavailable
from tests.engine.gate import PATIENCE, Gate, Gates
from tests.engine.stage import Stage, ended, store_of, submit, until

# --- blocking


async def test_a_coroutine_that_blocks_harms_neither_the_engine_nor_other_kinds(stage: Stage, gates: Gates) -> None:
    @stage.operation()
    async def blocking() -> str:
        gates.hold()  # as `time.sleep` or a long computation would
        return "done"

    @stage.operation()
    def thread() -> str:
        return threading.current_thread().name

    node = await stage.node(lease_ttl=3)
    handle = await submit(node, "blocking")
    await gates.started.passed()
    store = store_of(node)
    renewals = len(store.all(Renew))
    assert "op-" in await (await submit(node, "thread")).result(PATIENCE)
    await store.seen(Renew, renewals + 4)  # for longer than one lease
    assert (await handle.operation()).status is Status.PROCESSING
    gates.go.open()
    assert await handle.result(PATIENCE) == "done"
    assert (await handle.operation()).attempt == 1


async def test_coroutines_share_a_loop_that_is_not_the_engines(stage: Stage) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    @stage.operation()
    async def where() -> None:
        loops.append(asyncio.get_running_loop())

    node = await stage.node()
    await ended(node, "where")
    await ended(node, "where")
    assert loops[0] is loops[1]
    assert loops[0] is not asyncio.get_running_loop()


async def test_a_thread_may_block_without_holding_up_others(stage: Stage, gates: Gates) -> None:
    @stage.operation()
    def blocking() -> None:
        gates.hold()

    @stage.operation()
    def other() -> str:
        return "done"

    node = await stage.node()
    handle = await submit(node, "blocking")
    await gates.started.passed()
    assert await (await submit(node, "other")).result(PATIENCE) == "done"
    gates.go.open()
    await handle.wait(PATIENCE)


# --- what must not get out


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
async def test_an_exit_within_a_task_of_a_coroutine_does_not_end_the_loop_of_all(
    stage: Stage, error: type[BaseException]
) -> None:
    async def leave() -> None:
        raise error

    @stage.operation()
    async def leaving() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(leave())

    @stage.operation()
    async def fine() -> str:
        return "fine"

    node = await stage.node()
    operation = await ended(node, "leaving")
    assert operation.status is Status.FAILED
    assert await (await submit(node, "fine")).result(PATIENCE) == "fine"


async def test_a_function_that_returns_an_awaitable_is_awaited(stage: Stage) -> None:
    async def later() -> int:
        return 7

    @stage.operation()
    def immediate() -> object:
        return later()

    node = await stage.node()
    assert await (await submit(node, "immediate")).result(PATIENCE) == 7


async def test_the_input_and_the_attempt_are_given_where_the_function_takes_them(stage: Stage) -> None:
    @stage.operation()
    async def both(attempt: Attempt, request: dict[str, int]) -> list[object]:
        return [attempt.operation_id, attempt.number, attempt.owner, attempt.resume, request["n"]]

    @stage.operation()
    def neither() -> str:
        return "nothing"

    node = await stage.node()
    handle = await submit(node, "both", {"n": 5})
    assert await handle.result(PATIENCE) == [handle.id, 1, "somebody", None, 5]
    assert await (await submit(node, "neither")).result(PATIENCE) == "nothing"


async def test_a_coroutine_cancelled_before_its_first_step_has_ended() -> None:
    async def never() -> None: ...

    operation = Operation(
        id="op-" + "7" * 26, type="never", owner="o", status=Status.PROCESSING, created_at=1, updated_at=1,
        retention=1, cancel_grace=1,
    )  # fmt: skip
    attempt = Attempt(operation, None, Silent(), log_limit=1, value_limit=100, raises=False)
    job = Job(Registered("/never", never), operation, b"null", attempt, Limits(1, 1), unkept)
    loop, busy, ended = UserLoop(), Gate(), Future[Result | BaseException]()
    await loop.start()
    loop.mailbox.post(busy.wait)  # what follows is done at one go
    execution = CoroutineExecution(job, loop, ended.set_result)
    loop.mailbox.post(execution._cancel)
    busy.open()
    done = await asyncio.wait_for(asyncio.wrap_future(ended), PATIENCE)
    assert isinstance(done, asyncio.CancelledError)
    await loop.stop()


class Silent:
    """A sink that nobody writes to."""

    def wake(self) -> None: ...

    async def checkpoint(self, value: bytes) -> None: ...


async def unkept(_number: int, _data: bytes) -> None: ...


# --- the user's lifespan


async def test_the_lifespan_is_around_everything_on_the_functions_loop(stage: Stage) -> None:
    happened: list[str] = []
    loops: list[asyncio.AbstractEventLoop] = []

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        happened.append("begun")
        loops.append(asyncio.get_running_loop())
        yield
        happened.append("ended")

    @stage.operation()
    async def inside() -> None:
        happened.append("ran")
        loops.append(asyncio.get_running_loop())

    node = await stage.node(lifespan=lifespan)
    await ended(node, "inside")
    await stage.stop(node)
    assert happened == ["begun", "ran", "ended"]
    assert loops[0] is loops[1]


async def test_nothing_is_claimed_before_the_lifespan_has_begun(stage: Stage, gates: Gates) -> None:
    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        await gates.held()
        yield

    @stage.operation()
    async def inside() -> None: ...

    node = await stage.node(lifespan=lifespan)
    handle = await submit(node, "inside")
    await gates.started.passed()
    assert await node.store.workers() == []
    assert (await handle.operation()).attempt == 0
    gates.go.open()
    await handle.wait(PATIENCE)


async def test_a_lifespan_that_fails_is_reported_and_takes_the_nodes_health(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    well = False

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        if not well:
            raise ConnectionError("no database for the user")
        yield

    @stage.operation()
    async def inside() -> None: ...

    node = await stage.node(lifespan=lifespan)
    async with asyncio.timeout(PATIENCE):
        await node.failed.wait()
    said = [record for record in caplog.records if record.levelno >= logging.CRITICAL]
    assert len(said) == 1
    assert said[0].exc_info is not None
    assert "no database for the user" in str(said[0].exc_info[1])
    handle = await submit(node, "inside")  # what was accepted stays for a worker that is well
    assert await handle.status() is Status.PENDING
    await stage.stop(node)


async def test_a_database_that_cannot_be_opened_fails_the_start(stage: Stage) -> None:
    stage.url = stage.url.replace("accepted", "nowhere/accepted")  # neither such a file nor such a database
    with pytest.raises(StoreUnavailable):
        await stage.node()


# --- logging of a process that has configured none

SCRIPT = """
import asyncio, logging, sys
from accepted import Accepted

app = Accepted(database="sqlite:///" + sys.argv[1])

async def main():
    async with app:
        logging.getLogger("mine").warning("still heard")

asyncio.run(main())
"""


def test_a_process_without_any_logging_still_hears_its_warnings(stage_path: str) -> None:
    """Our handler on the root logger must not switch off Python's last resort."""
    done = subprocess.run(  # a fresh interpreter, for pytest has handlers of its own
        [sys.executable, "-c", SCRIPT, stage_path], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.count("still heard") == 1


@pytest.fixture
def stage_path(tmp_path: object) -> str:
    return f"{tmp_path}/accepted.db"


async def test_a_functions_lines_reach_the_processs_own_handlers_too(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    @stage.operation()
    def says() -> None:
        logging.getLogger("mine").warning("said")

    node = await stage.node()
    operation = await ended(node, "says")
    assert [record.getMessage() for record in caplog.records if record.name == "mine"] == ["said"]
    assert (await until(node, operation.id, lambda each: each.lines == 1)).lines == 1


async def test_the_functions_loop_ends_with_the_node(stage: Stage) -> None:
    stuck = Gate()

    @stage.operation()
    async def forgotten() -> None:
        asyncio.get_running_loop().create_task(stuck.passed())

    before = {thread for thread in threading.enumerate() if thread.name == "accepted-functions"}
    node = await stage.node()
    await ended(node, "forgotten")
    await stage.stop(node)
    stuck.open()
    assert {thread for thread in threading.enumerate() if thread.name == "accepted-functions"} <= before
