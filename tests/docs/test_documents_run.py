"""What the pages show runs: their Python is imported, their curl lines are sent, the answers are those printed below.

The README's and the quickstart's operation waits a second for each month. Here it waits for a gate instead, so that a
poll finds it running and a result finds it done, without a sleep.
"""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import itertools
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest

from accepted import Accepted
from tests.docs.recipe import LEFT_OUT, Answer, Block, Step, answer, curl, events, shape, steps
from tests.house.pages import blocks
from tests.house.tree import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TOLD = ["README.md", "docs/quickstart.md"]
GUIDE = "docs/guide.md"
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
PYTHON = [
    pytest.param(code, id=f"{name}:{number}")
    for name, text in TEXTS.items()
    for number, code in enumerate(blocks(text, "python"), 1)
]
NUMBERS = itertools.count(1)


class Gate:
    """Stands where the page's `asyncio` was: whoever sleeps waits until it is open."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.CancelledError = asyncio.CancelledError

    async def sleep(self, seconds: float) -> None:
        await asyncio.to_thread(self._open.wait)

    def open(self) -> None:
        self._open.set()

    def shut(self) -> None:
        self._open.clear()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()  # threads that still wait there would keep the process from ending


def imported(code: str, folder: Path) -> ModuleType:
    """The block as a module of its own, written to `folder`."""
    name = f"page_{next(NUMBERS)}"
    file = folder / f"{name}.py"
    file.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("code", PYTHON)
def test_python_of_a_page_compiles(code: str) -> None:
    compile(code, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)


@pytest.mark.parametrize("code", [each for each in PYTHON if "Accepted(" in str(each.values[0])])
def test_a_whole_example_is_imported(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = imported(code, tmp_path)
    apps = [value for value in vars(module).values() if isinstance(value, Accepted)]
    assert all(list(app.registry) for app in apps)
    assert apps or "async def test_" in code
    assert not list(tmp_path.glob("*.db*"))  # importing an app opens nothing


async def test_the_guides_test_passes(tmp_path: Path) -> None:
    (code,) = [code for code in blocks(TEXTS[GUIDE], "python") if "test_greeting" in code]
    await imported(code, tmp_path).test_greeting(tmp_path)


async def test_the_guides_script_prints_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = [code for code in blocks(TEXTS[GUIDE], "python") if "async def main" in code]
    await imported(code, tmp_path).main()
    assert capsys.readouterr().out.splitlines()[-1] == "Hello Ada"


@pytest.mark.parametrize("page", TOLD)
async def test_a_page_answers_as_it_says(
    page: str, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = imported(blocks(TEXTS[page], "python")[0], tmp_path)
    vars(module)["asyncio"] = gate
    told = steps(TEXTS[page])
    assert any(step.answer is not None for step in told)
    async with module.app:
        transport = httpx2.ASGITransport(module.app)
        async with httpx2.AsyncClient(transport=transport, timeout=60) as client:
            await _follow(told, client, gate)


async def _follow(told: list[Step], client: httpx2.AsyncClient, gate: Gate) -> None:
    number = ""
    for step in told:
        if step.curl.method == "POST" and "/operations/" not in step.curl.url:
            gate.shut()
        elif step.answer is not None and step.curl.method == "GET":
            await _reached(step.answer.document.get("status"), client, number, gate)
        elif step.stream:
            _compare_events(await _streamed(step, client, number, gate), step.stream)
            continue
        response = await step.curl.send(client, number)
        if response.status_code == 202:
            number = response.json()["operationId"].removeprefix("op-")
        if step.answer is not None:
            _compare(response, step.answer)


async def _streamed(step: Step, client: httpx2.AsyncClient, number: str, gate: Gate) -> list[Block]:
    """All events from while it runs to its end; the client here has them only once the stream is over."""
    await _reached("PROCESSING", client, number, gate)
    streaming = asyncio.create_task(step.curl.send(client, number))
    while 'accepted_streams_open{kind="sse"} 1.0' not in (await client.get("http://localhost:8000/metrics")).text:
        assert not streaming.done(), await streaming
    gate.open()
    response = await streaming
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
    return [block for block in events(response.text) if block]


async def _reached(status: Any, client: httpx2.AsyncClient, number: str, gate: Gate) -> None:
    """Until the operation is where the page has it: running, with progress, or ended."""
    runs = status == "PROCESSING"
    if not runs:
        gate.open()
    for _ in range(50):
        url = f"http://localhost:8000/operations/op-{number}"
        answered = await client.get(url, headers={"Prefer": "wait=10"})
        if answered.status_code == 303 or (runs and "progress" in answered.json()):
            return
    raise AssertionError("the page's operation never gets there")


def _compare(response: httpx2.Response, shown: Answer) -> None:
    assert response.status_code == shown.status
    by_the_server = {"date"}
    assert set(shown.headers) - by_the_server <= set(response.headers)
    steady = {"content-type", "cache-control", "vary", "x-content-type-options", "retry-after"} & set(shown.headers)
    assert {name: response.headers[name] for name in steady} == {name: shown.headers[name] for name in steady}
    assert shape(response.json()) == shape(shown.document)


def _compare_events(received: list[Block], shown: list[Block]) -> None:
    """What stands before the dots is how it begins, what stands after them how it ends."""
    gap = shown.index(LEFT_OUT) if LEFT_OUT in shown else len(shown)
    begins, ends = shown[:gap], shown[gap + 1 :]
    assert len(received) >= len(begins) + len(ends)
    assert [_seen(block) for block in received[: len(begins)]] == [_seen(block) for block in begins]
    assert [_seen(block) for block in received[len(received) - len(ends) :]] == [_seen(block) for block in ends]


def _seen(block: Block) -> Block:
    return {**shape(block), "event": block.get("event"), "status": block.get("data", {}).get("status")}


def test_a_changed_event_is_caught() -> None:
    begins = 'retry: 1\n\nid: 2\nevent: status-update\ndata: {"status": "PROCESSING"}\n\n'
    ends = 'id: 9\nevent: completed\ndata: {"status": "COMPLETED",\n       "result": 1}\n\n'
    shown = events(f"{begins}...\n\n{ends}")
    received = events(f'{begins}id: 3\nevent: log\ndata: {{"line": 1}}\n\n{ends}')
    _compare_events(received, shown)
    for other in (received[:-1], received[1:], [*received[:-1], {**received[-1], "event": "failed"}]):
        with pytest.raises(AssertionError):
            _compare_events(other, shown)


def test_a_changed_answer_is_caught() -> None:
    shown = answer('HTTP/1.1 202 Accepted\nretry-after: 1\n\n{"operationId": "op-1",\n "queuePosition": 1}\n')
    _compare(_response(202, {"operationId": "op-2"}), shown)
    for other in (_response(200, {"operationId": "op-2"}), _response(202, {"id": "op-2"})):
        with pytest.raises(AssertionError):
            _compare(other, shown)


def _response(status: int, document: dict[str, str]) -> httpx2.Response:
    return httpx2.Response(status, json=document, headers={"retry-after": "1"})


def test_a_curl_line_is_read_as_a_shell_reads_it() -> None:
    read = curl("curl -i -X POST localhost:8000/jobs/job-$N/cancel -H 'Content-Type: application/json' -d '{\"a\": 1}'")
    assert (read.method, read.url, read.body) == ("POST", "localhost:8000/jobs/job-$N/cancel", b'{"a": 1}')
    assert read.headers == {"Content-Type": "application/json"}
    assert curl("curl localhost:8000/jobs").method == "GET"
    with pytest.raises(ValueError, match="--insecure"):
        curl("curl --insecure localhost")
