"""The kit itself: manifests, evidence, verdicts, reports, the command; and that it knows nothing of our server."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from accepted.cli import main
from accepted.verify import InvalidManifest, Report, Verdict
from accepted.verify import report as reports
from accepted.verify.check import CHECKS, SECTIONS, Level
from accepted.verify.exchange import Answer, Broken, Caller, Journal, seconds
from accepted.verify.manifest import Manifest, Tokens, load, read, tokens
from accepted.verify.receiving import Delivery
from accepted.verify.report import Outcome
from accepted.verify.run import Unreachable, chosen, verify
from accepted.verify.table import show
from accepted.verify.trial import check_problem, moment
from tests.house.tree import ROOT
from tests.verify.serving import EXAMPLES, example, served

LEAST = b'[operations]\nquick = { path = "/sums" }\n'


def results(*, failed: tuple[str, ...] = (), left_out: tuple[str, ...] = ()) -> Report:
    """A report of all checks."""
    found = []
    for check in CHECKS.values():
        outcome = Outcome.FAILED if check.id in failed else Outcome.LEFT_OUT if check.id in left_out else Outcome.PASSED
        complaint = {Outcome.FAILED: "it is not so", Outcome.LEFT_OUT: "expiry is not offered"}.get(outcome, "")
        evidence = "> GET /\n< 200 [bold]\n\n> GET /again" if outcome is Outcome.FAILED else ""
        found.append(reports.Result(check=check, outcome=outcome, complaint=complaint, evidence=evidence))
    return Report("a server", tuple(found), 1.5)


def by_level(report: Report) -> dict[str, Verdict]:
    return {verdict.level: verdict for verdict in report.verdicts}


# --- it judges from outside


def test_the_kit_imports_nothing_of_the_server() -> None:
    for path in (ROOT / "src" / "accepted" / "verify").rglob("*.py"):
        depth = len(path.relative_to(ROOT / "src" / "accepted" / "verify").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= depth, f"{path.name} reaches out of the room"
                assert not (node.module or "").startswith("accepted"), path.name
            elif isinstance(node, ast.Import):
                assert not any(each.name.startswith("accepted") for each in node.names), path.name


def test_every_section_has_checks_and_every_level() -> None:
    assert {check.group for check in CHECKS.values()} == set(SECTIONS)
    assert {check.level for check in CHECKS.values()} == set(Level)


# --- manifests


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "operations"),
        (b"[operations]\n", "quick"),
        (b'[operations]\nquick = { path = "sums" }\n', "path"),
        (LEAST + b'sleepy = { path = "/" }\n', "sleepy"),
        (b'not_offered = ["lunch"]\n' + LEAST, "lunch"),
        (b"colour = 1\n" + LEAST, "colour"),
        (b"patience = 0\n" + LEAST, "patience"),
        (b"\xff", "utf-8"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(InvalidManifest, match=why):
        read(text)


def test_a_manifest_may_be_json(tmp_path: Path) -> None:
    (tmp_path / "verify.json").write_bytes(b'{"operations": {"quick": {"path": "/sums"}}}')
    assert load(tmp_path / "verify.json") == read(LEAST)


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.toml")))
def test_the_examples_manifests_are_read(name: str) -> None:
    assert load(EXAMPLES / f"{name}.toml").operations["quick"].path


def test_tokens_come_from_the_environment() -> None:
    manifest = read(LEAST + b'[auth]\ntoken = "MINE"\nother = "THEIRS"\n')
    assert tokens(manifest, {"MINE": "a", "THEIRS": "b"}) == Tokens("a", "b")
    assert tokens(read(LEAST), {}) == Tokens()
    with pytest.raises(InvalidManifest, match="THEIRS"):
        tokens(manifest, {"MINE": "a"})


def test_who_names_no_second_caller_is_not_asked_about_owners() -> None:
    assert {"auth", "owners"} <= read(LEAST).missing
    assert {"owners"} == set(read(LEAST + b"[auth]\n").missing)


# --- evidence


def test_secrets_are_taken_out_of_the_evidence() -> None:
    journal = Journal(["t0ken"])
    journal.keep_secret("hush")
    journal.note('> authorization: Bearer t0ken\n{"secret": "abc\\"d", "secrets":["x"], "url": "?t0ken", "a": "hush"}')
    for secret in ("t0ken", "abc", '"x"', "hush"):
        assert secret not in journal.text
    assert "authorization" in journal.text


def test_nothing_in_the_evidence_moves_a_cursor() -> None:
    journal = Journal()
    journal.note("\x1b[2J\x9b1m\rfine\n")
    assert journal.text == "\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}1m\N{REPLACEMENT CHARACTER}fine\n"


def test_links_are_found_behind_a_prefix_and_before_it() -> None:
    caller = Caller(None, "http://h/api/", Journal(), {})  # type: ignore[arg-type]  # it asks nobody
    assert caller.url("/operations/1") == "http://h/api/operations/1"
    assert caller.url("/api/operations/1") == "http://h/api/operations/1"
    assert caller.url("https://else/where") == "https://else/where"


def test_signatures_are_those_of_the_documents() -> None:
    """The example of Standard Webhooks, and test case 2 of RFC 4231."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    standard = Delivery(headers, b'{"test": 2432232314}', 0.0)
    assert standard.is_standardly_signed("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert not standard.is_standardly_signed("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx")
    signature = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    plain = Delivery({"x-webhook-signature": signature}, b"what do ya want for nothing?", 0.0)
    assert plain.is_plainly_signed("Jefe")
    assert not plain.is_plainly_signed("jefe")


@pytest.mark.parametrize("text", [None, 7, "today", "2026-11-25", "2026-11-25T10:00:00", "2026-13-25T10:00:00Z"])
def test_what_is_no_time_is_told(text: object) -> None:
    with pytest.raises(Broken, match="createdAt"):
        moment({"createdAt": text}, "createdAt")


def test_a_problem_has_to_be_one() -> None:
    good = {"type": "/problems/no", "title": "No", "status": 404}
    kind = {"content-type": "application/problem+json; charset=utf-8"}
    assert check_problem(Answer(404, kind, msgspec.json.encode(good)), 404, slug="no") == good
    wrong = [
        Answer(400, kind, msgspec.json.encode(good)),
        Answer(404, {"content-type": "application/json"}, msgspec.json.encode(good)),
        Answer(404, kind, msgspec.json.encode(good | {"status": 400})),
        Answer(404, kind, msgspec.json.encode(good | {"title": ""})),
        Answer(404, kind, msgspec.json.encode(good | {"type": "/problems/else"})),
        Answer(404, kind, b"[]"),
        Answer(404, kind, b'{"type": "\xff"}'),
    ]
    for answer in wrong:
        with pytest.raises(Broken):
            check_problem(answer, 404, slug="no")


def test_retry_after_is_bounded() -> None:
    assert seconds(Answer(200, {"retry-after": "7"}, b""), 1.0) == 7
    assert seconds(Answer(200, {"retry-after": "86400"}, b""), 1.0) == 30
    assert seconds(Answer(200, {"retry-after": "Wed, 25 Nov 2026 10:00:00 GMT"}, b""), 1.0) == 1.0


# --- verdicts and reports


def test_a_level_is_reached_when_none_of_it_failed() -> None:
    assert all(verdict.reached for verdict in results().verdicts)
    report = results(failed=("sse.end",))
    verdicts = by_level(report)
    assert [verdicts[level].reached for level in Level] == [True, False, False]
    live = sum(check.level == "live" for check in CHECKS.values())
    assert verdicts["live"].line == f"live: no, 1 of {live} failed"
    assert "for live is not reached" in verdicts["full"].line


def test_what_is_not_offered_is_named_and_the_core_has_to_be_whole() -> None:
    assert by_level(results(left_out=("expiry.gone", "expiry.kept")))["full"].without == ("expiry",)
    assert not by_level(results(left_out=("progress.told",)))["core"].reached


def test_a_level_of_which_a_part_was_asked_for_is_not_judged() -> None:
    report = Report("a server", tuple(each for each in results().results if each.check.group == "poll"), 0.1)
    assert not any(verdict.reached for verdict in report.verdicts)
    assert "not judged" in by_level(report)["core"].line


def test_the_report_is_json_and_junit() -> None:
    report = results(failed=("sse.end",), left_out=("expiry.gone",))
    document = json.loads(report.json())
    assert document["levels"]["core"]["reached"] is True
    assert {each["id"]: each["outcome"] for each in document["checks"]}["sse.end"] == "failed"
    root = ET.fromstring(report.junit())
    assert sum(int(suite.get("failures", "")) for suite in root) == 1
    assert sum(int(suite.get("skipped", "")) for suite in root) == 1
    assert sum(1 for _ in root.iter("testcase")) == len(CHECKS)
    assert [each.get("message") for each in root.iter("failure")] == ["it is not so"]


@pytest.mark.parametrize("terminal", [True, False])
def test_the_table_shows_failures_with_their_evidence(terminal: bool) -> None:
    file = io.StringIO()
    show(results(failed=("sse.end",)), Console(width=120, force_terminal=terminal, no_color=True, file=file))
    text = re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())
    assert "sse.end: it is not so" in text
    assert "< 200 [bold]" in text  # as text: no markup of the server's
    assert "core: yes" in text


# --- running


def test_checks_are_chosen_by_level_section_and_id() -> None:
    assert {each.level for each in chosen(Level.CORE)} == {"core"}
    assert {each.group for each in chosen(sections=["poll", "sse"])} == {"poll", "sse"}
    assert [each.id for each in chosen(Level.CORE, ids=["sse.end"])] == ["sse.end"]
    for wrong in ({"sections": ["lunch"]}, {"ids": ["poll.lunch"]}):
        with pytest.raises(LookupError, match="lunch"):
            chosen(Level.FULL, **wrong)


async def test_where_nobody_answers_nothing_is_judged() -> None:
    with pytest.raises(Unreachable):
        await verify(read(LEAST), "http://127.0.0.1:9", chosen())


async def test_a_server_that_speaks_nonsense_fails_and_the_kit_goes_on() -> None:
    async def nonsense(scope: dict[str, object], receive: object, send: object) -> None:
        assert callable(send)
        await send({"type": "http.response.start", "status": 202, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b'{"operationId": [], "links": 7, "status": {}}'})

    async with served(nonsense, lifespan="off") as url:
        manifest: Manifest = msgspec.structs.replace(load(EXAMPLES / "every_kind.toml"), patience=2.0)
        report = await verify(manifest, url, chosen(Level.CORE))
    failed = {result.check.id for result in report.failed}
    assert failed >= {"accept.body", "poll.document", "completion.see-other", "cancel.running", "problem.not-found"}
    assert all(result.complaint and result.evidence for result in report.failed)


# --- the command


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["verify", *words])


def test_the_command_lists_its_checks() -> None:
    listed = run("http://localhost", "--list", "--level", "core")
    assert listed.exit_code == 0
    assert len(listed.output.splitlines()) == sum(check.level == "core" for check in CHECKS.values())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--manifest", "nowhere.toml"), "nowhere.toml"),
        (("--check", "poll.lunch"), "poll.lunch"),
        (("--manifest", str(EXAMPLES / "core_server.toml")), "nobody answers"),
    ],
)
def test_what_cannot_be_checked_exits_with_2_and_says_why(words: tuple[str, ...], said: str) -> None:
    found = run("http://127.0.0.1:9", *words)
    assert found.exit_code == 2
    assert said in found.output


async def test_the_command_exits_by_what_it_found(tmp_path: Path) -> None:
    words = ("--manifest", str(EXAMPLES / "core_server.toml"), "--junit", str(tmp_path / "junit.xml"), "--json")
    async with served(example("core_server").app, lifespan="off") as url:
        core = await asyncio.to_thread(run, url, "--level", "core", *words)
        more = await asyncio.to_thread(run, url, "--check", "accept.status", "--check", "accept.no-store", *words)
    assert core.exit_code == 0, core.output
    assert json.loads(core.stdout)["levels"]["core"]["reached"] is True
    assert more.exit_code == 1
    failures = ET.parse(tmp_path / "junit.xml").getroot().iter("failure")
    assert [each.get("message") for each in failures] == ["the 202 has no Cache-Control: no-store"]
