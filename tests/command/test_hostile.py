"""A server whose every text is hostile: none of it moves a cursor, sets a title, forges a line or becomes markup.

What is looked at is the very output, on a terminal and elsewhere, of every command.
"""

from __future__ import annotations

import json
import re
import threading
import unicodedata
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from accepted.cli import main
from accepted.command.terminal import as_json, clean, clean_lines
from tests.command.conftest import on_a_terminal

TEXTS = [
    "\x1b[2J\x1b[H",
    "\x1b]0;PWNED\x07",
    "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x1b[31;7mPWNED\x1b[0m",
    "\x9b31;7mPWNED",
    "\x1bPq#0\x1b\\",
    "a\rPWNED",
    "a\nError: PWNED",
    "\x08\x08\x08PWNED",
    "a\x00b\x7f\x85c",
    "\u202egnp.exe\u2066x",
    "\u2028PWNED\u2029",
    "\u200b\ufeff\U000e0041",
    "[bold red]PWNED[/bold red]",
    "[link=http://evil.example]PWNED[/link]",
    ":smile: [/] [",
    "{0} %s %(x)s ${HOME} `id`",
]
ALL = " | ".join(TEXTS)

# What our own bars and colours send: cursor up, erase the line, show and hide the cursor, colours one at a time.
OURS = re.compile(r"\x1b\[(?:1A|2K|\?25[lh]|[0-9;]*m|\d+[AG])")
MARKUP = ("[bold red]PWNED[/bold red]", ":smile: [/] [")


class Hostile(BaseHTTPRequestHandler):
    """Answers as the contract says, but for what stands in its texts."""

    protocol_version = "HTTP/1.1"
    status: ClassVar[str] = "FAILED"

    def state(self, id: str) -> dict[str, Any]:
        progress = {"current": 1, "total": 2, "percentage": 50, "message": ALL, "phase": ALL}
        phases = [{"name": ALL, "status": "IN_PROGRESS", "percentage": 5}, {"name": ALL, "status": ALL}]
        return {
            "operationId": id,
            "type": ALL,
            "status": self.status,
            "attempt": 2,
            "progress": {**progress, "phases": phases},
            "result": {"value": ALL, "warnings": [{"code": ALL, "message": ALL}], "url": "/operations/op-1/result"},
            "error": {"type": ALL, "title": ALL, "detail": ALL, "retryable": True, "errors": [{"pointer": ALL}]},
            "reason": ALL,
            "partialResult": {ALL: ALL},
            "retryOf": ALL,
            "links": {"retry": "/x"},
        }

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        match path.split("/"):
            case [_, "operations", _, "stream"]:
                self.send(404, {"title": ALL, "type": ALL})
            case [_, "operations", _, "result"]:
                self.send(200, ALL, content_disposition=f"attachment; filename*=UTF-8''{'%1b%5B2J%E2%80%AE'}x")
            case [_, "operations", "op-refused"]:
                self.send(403, {"title": ALL, "detail": ALL, "errors": [{"pointer": ALL, "detail": ALL}]})
            case [_, "operations", id]:
                self.send(200, self.state(ALL if id == "op-named" else id))
            case [_, "jobs", _, "logs"]:
                line = {"sequence": 1, "level": ALL, "message": ALL, "fields": {ALL: ALL}}
                self.send(200, {"data": [line], "pagination": {}})
            case _:
                row = {"jobId": f"job-{ALL}", "type": ALL, "status": "FAILED"}
                self.send(200, {"data": [row], "pagination": {}})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.endswith("/cancel"):
            self.send(200, {"operationId": ALL, "status": "CANCELLED", "reason": ALL, "workStopped": False})
        else:
            self.send(202, {"operationId": ALL, "status": "PENDING", "type": ALL, "statusUrl": "/operations/op-named"})

    def send(self, status: int, document: Any, **headers: str) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Succeeding(Hostile):
    """The same, for what comes after a success."""

    status = "COMPLETED_WITH_ERRORS"


@pytest.fixture(scope="module", params=[Hostile, Succeeding], ids=["failed", "completed"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the hostile server is."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), request.param)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


COMMANDS = [
    ("submit", "/x"),
    ("submit", "/x", "--wait"),
    ("watch", "op-1", "op-2"),
    ("watch", "op-named"),
    ("get", "op-1"),
    ("get", "op-refused"),
    ("list",),
    ("logs", "op-1"),
    ("logs", "-f", "op-1"),
    ("cancel", "op-1"),
    ("retry", "op-1"),
    ("retry", "op-1", "--wait"),
    ("download", "op-1"),
]


def harmless(output: str, *, terminal: bool) -> None:
    """Nothing in it does anything but what our own bars and colours do."""
    rest = OURS.sub("", output) if terminal else output
    rest = rest.replace("\r\n", "\n").replace("\r", "") if terminal else rest
    wrong = {
        letter for letter in rest if letter != "\n" and unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    }
    assert wrong == set()
    assert "\x1b[31;7m" not in output
    assert not [line for line in rest.splitlines() if line.startswith(("PWNED", "Error: PWNED"))]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("json", [False, True], ids=["text", "json"])
def test_nothing_gets_through(
    url: str, words: tuple[str, ...], json: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, [*words, "--url", url, *(["--json"] if json else [])])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.output
    harmless(done.output, terminal=False)
    assert "PWNED" in done.output or words[0] == "download"


@pytest.mark.parametrize("words", [("watch", "op-1", "op-named"), ("get", "op-1"), ("logs", "op-1")], ids=" ".join)
def test_nothing_gets_through_to_a_terminal(url: str, words: tuple[str, ...]) -> None:
    _, output = on_a_terminal(*words, ACCEPTED_URL=url, size=(60, 2000))
    harmless(output, terminal=True)
    for text in MARKUP:
        assert text in output


@given(st.text())
def test_whatever_the_text_it_is_plain_and_says_the_same(text: str) -> None:
    assert not any(unicodedata.category(letter).startswith(("C", "Zl", "Zp")) for letter in clean(text))
    assert all(line.startswith("    ") for line in clean_lines(text, "    ").split("\n")[1:])
    written = as_json({"text": text.encode("utf-8", "replace").decode()})
    assert json.loads(written) == {"text": text.encode("utf-8", "replace").decode()}
    assert not any(unicodedata.category(letter).startswith(("C", "Zl", "Zp")) for letter in written)
