"""The commands that speak to a server: what they print, what they do, and their exit codes (docs/command-line.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from accepted.command.remote import Remote
from tests.command.conftest import Run, on_a_terminal
from tests.house.pages import blocks
from tests.house.tree import ROOT
from tests.processes.serving import Server


def documents(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def submitted(run: Run, *words: object) -> str:
    done = run("submit", *words)
    assert done.exit_code == 0, done.stderr
    return str(done.stdout).strip()


# --- submit


def test_a_submit_prints_the_id_and_nothing_else(run: Run) -> None:
    done = run("submit", "/noops")
    assert done.stdout.startswith("op-")
    assert done.stdout.count("\n") == 1
    assert (done.stderr, done.exit_code) == ("", 0)


def test_the_input_comes_from_the_line_a_file_or_standard_input(run: Run, tmp_path: Path) -> None:
    (tmp_path / "input.json").write_text("3")
    for words, options in (
        (("3",), {}),
        ((f"@{tmp_path}/input.json",), {}),
        (("-",), {"input": "3"}),
    ):
        done = run("submit", "/texts", "--wait", "--data", *words, **options)
        assert (done.exit_code, done.stdout) == (0, '"xxx"\n')


def test_what_is_no_json_is_never_sent(run: Run) -> None:
    done = run("submit", "/texts", "--data", "{")
    assert done.exit_code == 2
    assert "--data: no JSON" in done.stderr


def test_a_whole_url_needs_no_environment(server: Server, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCEPTED_URL")
    done = run("submit", f"{server.url}/texts", "--data", "2", "--wait")
    assert (done.exit_code, done.stdout) == (0, '"xx"\n')


def test_one_key_is_one_operation(run: Run) -> None:
    ids = {submitted(run, "/texts", "--data", "1", "--key", "order-1") for _ in range(2)}
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("path", "data", "code", "says"),
    [("/texts", "1", 0, ""), ("/screams", '"no"', 3, "FAILED"), ("/warnings", '"open"', 5, "MISSING_DATA")],
)
def test_the_exit_code_says_how_it_ended(run: Run, folder: Path, path: str, data: str, code: int, says: str) -> None:
    (folder / "open").touch()
    done = run("submit", path, "--data", data, "--wait")
    assert done.exit_code == code
    assert says in done.stderr


def test_with_json_the_end_is_one_document(run: Run) -> None:
    done = run("submit", "/texts", "--data", "1", "--wait", "--json")
    (document,) = documents(done.stdout)
    assert (document["status"], done.stderr) == ("COMPLETED", "")


# --- watch, get, list, logs


def test_watching_writes_lines_where_there_is_no_terminal(run: Run) -> None:
    ids = [submitted(run, "/steps", "--data", number) for number in (3, 5)]
    done = run("watch", *ids)
    assert done.exit_code == 0
    assert all(any(id in line and "COMPLETED" in line for line in done.stdout.splitlines()) for id in ids)


def test_the_worst_of_several_is_the_exit_code(run: Run) -> None:
    fine, failed = submitted(run, "/noops"), submitted(run, "/screams", "--data", '"no"')
    assert run("watch", fine, failed).exit_code == 3


def test_watching_with_json_gives_an_event_a_line(run: Run) -> None:
    events = documents(run("watch", submitted(run, "/noops"), "--json").stdout)
    assert events[-1]["status"] == "COMPLETED"


def test_a_timeout_has_its_own_exit_code(run: Run) -> None:
    id = submitted(run, "/gates", "--data", '"never"')
    done = run("watch", id, "--timeout", "100ms")
    assert done.exit_code == 9
    assert "goes on" in done.stderr
    assert run("cancel", id, "--reason", "enough").stdout == f"{id} is CANCELLED\n"
    assert run("watch", id).exit_code == 4
    assert "enough" in run("get", id).stdout


def test_an_operation_may_be_named_in_four_ways(server: Server, run: Run) -> None:
    id = submitted(run, "/noops")
    for name in (id, f"job-{id[3:]}", f"{server.url}/operations/{id}"):
        assert run("get", name).stdout.startswith(id)
    (document,) = documents(run("get", id, "--json").stdout)
    assert document["operationId"] == id


def test_the_list_is_filtered(run: Run) -> None:
    failed = submitted(run, "/screams", "--data", '"no"')
    run("watch", failed)
    rows = run("list", "--status", "failed", "--type", "scream", "--limit", "1").stdout.splitlines()
    assert [row.split()[:3] for row in rows] == [[failed, "scream", "FAILED"]]
    (row,) = documents(run("list", "--limit", "1", "--json").stdout)
    assert row["jobId"] == f"job-{failed[3:]}"
    assert run("list", "--type", "nothing").stdout == ""
    assert run("list", "--status", "DONE").exit_code == 2


def test_the_log_is_printed_and_followed(run: Run, folder: Path) -> None:
    (folder / "open").touch()
    id = submitted(run, "/warnings", "--data", '"open"')
    followed = run("logs", "-f", id)
    assert "INFO    two are missing" in followed.stdout
    assert run("logs", id).stdout == followed.stdout
    assert documents(run("logs", id, "--json").stdout)[-1]["message"] == "two are missing"


# --- retry, download


def test_what_cannot_be_retried_says_what_to_do(run: Run) -> None:
    id = submitted(run, "/noops")
    run("watch", id)
    done = run("retry", id)
    assert done.exit_code == 7
    assert "accepted get" in done.stderr
    assert run("cancel", id).exit_code == 7


def test_what_was_cancelled_is_done_again(run: Run) -> None:
    id = submitted(run, "/gates", "--data", '"again"')
    run("cancel", id)
    again = run("retry", id).stdout.strip()
    assert again != id
    assert f"retry of     {id}" in run("get", again).stdout
    run("cancel", again)


def test_a_result_becomes_a_file(run: Run, tmp_path: Path) -> None:
    id = submitted(run, "/texts", "--data", "100000")
    done = run("download", id, "-o", tmp_path / "result.json")
    assert done.stdout == f"{tmp_path}/result.json\n"
    assert (tmp_path / "result.json").stat().st_size == 100_002
    (document,) = documents(run("download", id, "-o", tmp_path / "result.json", "--json").stdout)
    assert document["size"] == 100_002


# --- errors


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("get", "op-00000000000000000000000000"), 6, "accepted list"),
        (("submit", "/nowhere"), 6, "/openapi.json"),
        (("submit", "/texts", "--data", '"x"'), 7, "Expected `int`"),
        (("list", "--url", "ftp://localhost"), 2, "no http or https URL"),
        (("list", "--url", "http://me:secret@localhost"), 1, "token"),
    ],
)
def test_errors_say_what_to_do_next(run: Run, words: tuple[str, ...], code: int, says: str) -> None:
    done = run(*words)
    assert (done.exit_code, done.stdout) == (code, "")
    assert says in done.stderr
    assert "secret" not in done.stderr


def test_with_json_an_error_is_a_document_too(run: Run) -> None:
    (document,) = documents(run("get", "op-00000000000000000000000000", "--json").stderr)
    assert document["exitCode"] == 6
    assert document["error"]["type"] == "/problems/operation-not-found"


def test_a_server_that_is_not_there(run: Run) -> None:
    done = run("get", "op-1", "--url", "http://127.0.0.1:1")
    assert done.exit_code == 8
    assert "ACCEPTED_URL" in done.stderr


def test_the_token_of_the_environment_goes_to_the_server_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACCEPTED_URL", "https://api.example.com")
    monkeypatch.setenv("ACCEPTED_TOKEN", "s3cret")
    ours = Remote("https://api.example.com", "s3cret", False)
    assert ours.options("/reports")["token"] == "s3cret"
    assert ours.options("https://api.example.com/reports")["token"] == "s3cret"
    assert ours.options("https://evil.example.net/reports")["token"] is None
    assert "s3cret" not in capsys.readouterr().err
    assert ours._replace(token="given").options("https://other.example.net/x")["token"] == "given"


# --- people


def test_bars_on_a_terminal(server: Server, run: Run) -> None:
    ids = [submitted(run, "/steps", "--data", 5), submitted(run, "/screams", "--data", '"no"')]
    code, text = on_a_terminal("watch", *ids, ACCEPTED_URL=server.url)
    assert code == 3
    assert "steps" in text
    assert "100 %" in text
    assert "FAILED" in text


def test_shells_complete_ids_from_the_server(run: Run) -> None:
    id = submitted(run, "/noops")
    asked = {"_ACCEPTED_COMPLETE": "bash_complete", "COMP_WORDS": f"accepted get {id[:20]}", "COMP_CWORD": "2"}
    done = run(env=asked, prog_name="accepted")
    assert f"plain,{id}" in done.stdout


def test_the_page_tells_every_exit_code() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    told = (ROOT / "src" / "accepted" / "command" / "remote.py").read_text(encoding="utf-8").split('"""')[1]
    rows = [line for line in told.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert len(rows) == 11
    assert [row for row in rows if row not in page.splitlines()] == []
    assert "_ACCEPTED_COMPLETE=bash_source" in "".join(blocks(page, "sh"))
