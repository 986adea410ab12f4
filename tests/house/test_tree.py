"""The repository holds text of its own and nothing else; the inspection is first shown to catch each offence."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.house.tree import LARGEST_FILE, ROOT, complaints, files


def test_the_repository_is_clean() -> None:
    names = files()
    assert "pyproject.toml" in names
    assert [complaint for name in names for complaint in complaints(ROOT, name)] == []


def test_a_new_file_is_seen_and_an_ignored_one_is_not(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    for name, text in {".gitignore": "*.db\n", "new.py": "", "accepted.db": ""}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert files(tmp_path) == [".gitignore", "new.py"]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("notes.md", "see /{}/main".format("work"), "notes.md:1: a path of some machine"),
        ("notes.md", "fine\nsqlite:////{}/a.db".format("tmp"), "notes.md:2: a path of some machine"),
        ("a.lock", "--index-url https://{}.org/simple".format("pypi"), "a.lock:1: a registry's host"),
        ("a.lock", "files.{}.org".format("pythonhosted"), "a.lock:1: a registry's host"),
        ("key.pem", "-----BEGIN RSA {} KEY-----".format("PRIVATE"), "key.pem:1: a private key"),
        ("a.py", "token = '{}{}'".format("ghp_", "a" * 36), "a.py:1: an access token"),
        ("picture.md", "\0PNG", "picture.md: a binary"),
        ("a.py.orig", "", "a.py.orig: something left behind"),
        ("accepted.db-wal", "", "accepted.db-wal: something left behind"),
        ("scratch/plan.md", "", "scratch/plan.md: something left behind"),
        ("large.csv", "x" * (LARGEST_FILE + 1), f"large.csv: {LARGEST_FILE + 1} bytes, {LARGEST_FILE} is the limit"),
    ],
)
def test_an_offence_is_caught(name: str, content: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert list(complaints(tmp_path, name)) == [complaint]


def test_bytes_that_are_no_text_are_caught(tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7\n\xff\xfe")
    assert list(complaints(tmp_path, "report.pdf")) == ["report.pdf: a binary"]


@pytest.mark.parametrize("line", ["GET https://example.com/home/page", "cd ~/work/accepted", "GET /operations/op-1"])
def test_decent_text_is_left_in_peace(line: str, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text(line, encoding="utf-8")
    assert list(complaints(tmp_path, "notes.md")) == []


def test_the_way_the_build_machine_enters_is_executable() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_lock_names_every_file_by_hash_and_no_source() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert len(pins) > 40
    assert all("==" in pin and pin.endswith("\\") for pin in pins)
    assert not [line for line in lines if "://" in line or line.startswith("-")]
