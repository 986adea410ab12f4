"""The documents tell the truth: settings stand with their defaults, code compiles, commands exist."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from accepted.settings import load
from tests.house.knobs import Knob, knobs, means
from tests.house.pages import Command, blocks, commands, row, targets
from tests.house.tree import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

# The settled names (docs/guide.md); there may be more, none of these may go.
SETTLED = {
    "allowed_hosts", "allowed_origins", "artifact_limit", "body_limit", "cancel_grace", "database", "drain_timeout",
    "lease_ttl", "max_crashes", "notify", "poll_minimum", "public_url", "result_limit", "retention", "scan_interval",
    "trusted_proxies", "wait_limit",
}  # fmt: skip


def by_name(page: Path) -> str:
    """A page's path from the root, as the name of its test."""
    return str(page.relative_to(ROOT))


def compiled(code: str) -> None:
    """Raises SyntaxError unless the code compiles; an await may stand at the top, as in a shell."""
    compile(code, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)


def words_of(program: str) -> set[str]:
    """The targets or commands that the pages tell their readers to type."""
    typed = {command for page in PAGES for command in commands(page.read_text(encoding="utf-8"))}
    return {command.word for command in typed if command.program == program}


def helped(word: str) -> bool:
    """Whether `accepted <word> --help` knows an answer."""
    script = f"import sys; sys.argv = ['accepted', {word!r}, '--help']; from accepted.cli import main; main()"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == 0


def test_the_settled_settings_exist() -> None:
    assert {knob.name for knob in knobs()} >= SETTLED


@pytest.mark.parametrize(
    ("variable", "name", "written", "read"),
    [
        ("ACCEPTED_DATABASE_URL", "database", "postgresql://db/accepted", "postgresql://db/accepted"),
        ("ACCEPTED_LEASE_TTL", "lease_ttl", "2s", 2.0),
        ("ACCEPTED_ALLOWED_HOSTS", "allowed_hosts", "a.example, b.example", ("a.example", "b.example")),
    ],
)
def test_a_settled_variable_is_read(variable: str, name: str, written: str, read: object) -> None:
    assert getattr(load({}, {variable: written}), name) == read


def test_every_setting_is_documented_with_its_variable_and_default() -> None:
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    assert [complaint for knob in knobs() if (complaint := knob.complaint(row(page, knob.name)))] == []


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_python_block_compiles(page: Path) -> None:
    for code in blocks(page.read_text(encoding="utf-8"), "python"):
        compiled(code)


def test_the_readme_shows_code_and_a_command() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert blocks(page, "python")
    assert Command("make", "demo") in commands(page)


def test_what_the_pages_make_can_be_made() -> None:
    assert words_of("make") - targets((ROOT / "Makefile").read_text(encoding="utf-8")) == set()


def test_what_the_pages_type_are_commands() -> None:
    assert {word for word in words_of("accepted") if not helped(word)} == set()


def test_a_word_that_is_no_command_is_caught() -> None:
    assert not helped("teapot")
    assert helped("serve")


PAGE = """
Type `make chaos` or `accepted doctor`; `accepted` alone and `makeshift` say nothing.

```sh
$ PORT=9000 make demo
make PORT=9000 test    # make coffee
accepted serve reports:app --workers 2
curl localhost/accepted submit
```

- ```python
  await handle.status()
  ```

| name | variable | default |
|---|---|---|
| `lease_ttl` | `ACCEPTED_LEASE_TTL` | `30s` | how long |
"""


def test_a_page_is_read_as_a_visitor_reads_it() -> None:
    typed = {("make", "chaos"), ("make", "demo"), ("make", "test"), ("accepted", "doctor"), ("accepted", "serve")}
    assert commands(PAGE) == {Command(*words) for words in typed}
    assert row(PAGE, "lease_ttl") == ["lease_ttl", "ACCEPTED_LEASE_TTL", "30s", "how long"]
    assert row(PAGE, "lease") == []


def test_a_block_that_does_not_compile_is_caught() -> None:
    with pytest.raises(SyntaxError):
        compiled(blocks("```python\nasync def report(:\n```\n", "python")[0])
    compiled("await handle.status()")


def test_targets_are_no_variables() -> None:
    assert targets("PORT ?= 8000\nbin:=x\ndemo: ready ## start\n\techo: no\n.PHONY: help\n") == {"demo"}


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        ([], "lease_ttl: not in the table"),
        (["lease_ttl", "ACCEPTED_LEASE", "30s"], "lease_ttl: ACCEPTED_LEASE_TTL is not in its row"),
        (["lease_ttl", "ACCEPTED_LEASE_TTL", "31s"], "lease_ttl: its default 30.0 is not in its row"),
        (["lease_ttl", "ACCEPTED_LEASE_TTL", "30s"], None),
    ],
)
def test_a_setting_told_wrong_is_caught(cells: list[str], complaint: str | None) -> None:
    assert Knob("lease_ttl", 30.0).complaint(cells) == complaint


@pytest.mark.parametrize(
    ("cell", "default"),
    [
        ("24h", 86400),
        ("0.5s", 0.5),
        ("1 MiB", 1 << 20),
        ("20", 20),
        ("true", True),
        ("none", None),
        ("none", ()),
        ("127.0.0.1, ::1", ("127.0.0.1", "::1")),
        ("sqlite:///accepted.db", "sqlite:///accepted.db"),
    ],
)
def test_a_cell_means_a_default(cell: str, default: object) -> None:
    assert means(cell, default)
    assert not means("90d", default)
