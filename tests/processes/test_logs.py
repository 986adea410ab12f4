"""What the processes write to standard error: one line for each record, and nothing a user says can forge one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.api import Api
from tests.processes.deadline import until
from tests.processes.process import kill
from tests.processes.serving import Server, served

FORGED = "2026-01-01T00:00:00.000Z ERROR   op-forged completed"
HOSTILE = {
    "a line": f"fine\n{FORGED}",
    "a carriage return": f"fine\r{FORGED}",
    "other line ends": f"fine\u2028{FORGED}\u2029{FORGED}\x85{FORGED}\x0b{FORGED}\x0c{FORGED}",
    "an escape sequence": "\x1b[2J\x1b]0;owned\x07",
    "the same with one C1 character": "\x9b2J\x9d0;owned\x9c",
    "right to left": "\u202efdp.exe\u202c",
    "half a character": "\ud800 and \udfff",
    "nul and delete": "a\0b\x7fc",
}
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR|CRITICAL) .*|    .*|")


@pytest.fixture(scope="module", params=["text", "json"])
def loud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Server, Api]]:
    """A server whose functions have screamed each of the hostile texts, and its log format."""
    folder = tmp_path_factory.mktemp("loud")
    with served(folder, ACCEPTED_LOG_FORMAT=str(request.param)) as (server, api):
        api.ended(api.submit("/notes", 1))
        for text in HOSTILE.values():
            ended = api.ended(_scream(api, text))
            assert ended["status"] == "FAILED"
        kill(server.only("worker"))
        until("the supervisor has said so", lambda: "starting it again" in server.logged())
        server.end()
        yield str(request.param), server, api


def _scream(api: Api, text: str) -> str:
    """Submit in the way in which JSON can say it; a lone surrogate it cannot, so the function makes its own."""
    return api.submit("/screams", text.encode("unicode_escape").decode("ascii"))


def test_every_line_is_a_record(loud: tuple[str, Server, Api]) -> None:
    form, server, _ = loud
    lines = server.log.read_bytes().decode("utf-8").split("\n")
    assert lines.pop() == ""
    assert len(lines) > 3 * len(HOSTILE)
    if form == "text":
        assert [line for line in lines if not LINE.fullmatch(line)] == []
    else:
        records = [json.loads(line) for line in lines]
        assert all({"timestamp", "level", "logger", "message"} <= record.keys() for record in records)


def test_nothing_can_be_forged(loud: tuple[str, Server, Api]) -> None:
    _, server, _ = loud
    text = server.log.read_bytes().decode("utf-8")
    assert "owned" in text, "it is told, and harmless"
    assert [c for c in set(text) - {"\n"} if not c.isprintable()] == []
    assert [line for line in re.split(r"[\r\n\u2028\u2029\x85\x0b\x0c]", text) if line.startswith(FORGED)] == []


def test_the_life_of_an_operation_is_told_with_its_context(loud: tuple[str, Server, Api]) -> None:
    form, server, _ = loud
    words = ["accepted", "started", "completed"]
    if form == "text":
        assert [line.split()[3] for line in server.logged().splitlines() if "type=note" in line] == words
    else:
        records = [json.loads(line) for line in server.logged().splitlines()]
        mine = [record for record in records if record.get("type") == "note"]
        assert [record["message"].split()[1] for record in mine] == words
        assert {record["operationId"] for record in mine} == {mine[0]["message"].split()[0]}
        assert [record["attempt"] for record in mine] == [0, 1, 1]


def test_a_traceback_stays_in_the_log(loud: tuple[str, Server, Api]) -> None:
    _, server, _ = loud
    assert server.logged().count("Traceback (most recent call last)") == len(HOSTILE)


def test_nobody_reading_the_log_harms_nothing(tmp_path: Path) -> None:
    """Whoever watched has closed the terminal."""
    with served(tmp_path) as (server, api):
        server.log.unlink()
        assert api.ended(api.submit("/notes", 1))["status"] == "COMPLETED"
        assert server.end() < 3
