"""`accepted check-history`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

from tests.processes.serving import run

KEPT = """\
{"what": "submit", "key": "k", "status": 202, "operationId": "op-a", "began": 1, "ended": 1.1}
{"what": "read", "operationId": "op-a", "state": "COMPLETED", "began": 2, "ended": 2.1, "mood": "ignored"}
"""
LOST = '{"what": "submit", "key": "l", "status": 202, "operationId": "op-b", "began": 1, "ended": 1.1}\n'


def files(folder: Path, *texts: str) -> list[str]:
    """Files with these texts."""
    names = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.jsonl"
        path.write_text(text)
        names.append(str(path))
    return names


def test_a_day_that_kept_its_promises(tmp_path: Path) -> None:
    answer = run("check-history", *files(tmp_path, KEPT))
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == "2 records of 1 operations, 1 acknowledged: kept\n"


def test_a_violation_is_shown_with_its_evidence(tmp_path: Path) -> None:
    answer = run("check-history", *files(tmp_path, KEPT, LOST))
    assert answer.returncode == 1
    violation, evidence, last = answer.stdout.splitlines()
    assert violation == "D1  all ended: op-b has no end: nobody has seen it again"
    assert evidence.split("  ")[-1] == (
        '{"what":"submit","began":1.0,"ended":1.1,"key":"l","status":202,"operationId":"op-b"}'
    )
    assert "1.jsonl:1" in evidence
    assert last == "3 records of 2 operations, 2 acknowledged: BROKEN, 1 times"


def test_many_of_a_kind_are_counted(tmp_path: Path) -> None:
    many = "".join(LOST.replace("op-b", f"op-{n}").replace('"l"', f'"{n}"') for n in range(8))
    lines = run("check-history", *files(tmp_path, many)).stdout.splitlines()
    assert "D1  all ended: 3 more" in lines
    assert len(lines) == 5 * 2 + 2


def test_programs_get_everything(tmp_path: Path) -> None:
    answer = run("check-history", "--json", *files(tmp_path, KEPT, LOST))
    assert answer.returncode == 1
    found = json.loads(answer.stdout)
    assert {name: found[name] for name in ("kept", "records", "operations", "acknowledged")} == {
        "kept": False,
        "records": 3,
        "operations": 2,
        "acknowledged": 2,
    }
    (violation,) = found["violations"]
    assert (violation["guarantee"], violation["rule"]) == ("D1", "all ended")
    assert violation["evidence"]


def test_states_that_operations_may_end_in(tmp_path: Path) -> None:
    (name,) = files(tmp_path, KEPT)
    assert run("check-history", "--meant", "COMPLETED", name).returncode == 0
    answer = run("check-history", "--meant", "FAILED", name)
    assert (answer.returncode, "op-a ended COMPLETED" in answer.stdout) == (1, True)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    for name, complaint in [
        (files(tmp_path, KEPT + "no JSON\n")[0], "0.jsonl:3: "),
        (str(tmp_path / "none"), "No such file"),
    ]:
        answer = run("check-history", name)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert complaint in answer.stderr
