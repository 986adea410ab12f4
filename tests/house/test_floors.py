"""The house keeps its rules: floors, orders, siblings, circles, lengths, names, a pure contract and a light import.

Each rule is first shown to catch its own offence in a little tree made for it, so that a silent checker cannot pass.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house import inspection, plan
from tests.house.building import read
from tests.house.inspection import RULES, Rule
from tests.house.plan import HEAVY

SOURCE = Path(__file__).parents[2] / "src"

Complaints = Callable[[dict[str, str], Rule], list[str]]


@pytest.fixture
def complaints(tmp_path: Path) -> Complaints:
    """Builds a little package out of {path: source} and lets one rule inspect it."""

    def inspect(files: dict[str, str], rule: Rule) -> list[str]:
        for name, source in files.items():
            file = tmp_path / plan.PACKAGE / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source, encoding="utf-8")
        return rule(read(tmp_path, plan.PACKAGE))

    return inspect


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule: Rule) -> None:
    building = read(SOURCE, plan.PACKAGE)
    assert building.modules
    assert rule(building) == []


OFFENCES: dict[str, tuple[Rule, dict[str, str], str]] = {
    "an upward import": (
        inspection.floors,
        {"store/protocol.py": "from accepted.engine import feed", "engine/feed.py": ""},
        "store may not import accepted.engine.feed",
    ),
    "an upward import, relative": (
        inspection.floors,
        {"store/protocol.py": "from ..engine.feed import Feed", "engine/feed.py": ""},
        "store may not import accepted.engine.feed",
    ),
    "an upward import inside a function": (
        inspection.floors,
        {"service.py": "def late():\n    import accepted.http.app", "http/app.py": ""},
        "service may not import accepted.http.app",
    ),
    "a room of the same floor": (
        inspection.floors,
        {"store/protocol.py": "import accepted.settings", "settings.py": ""},
        "store may not import accepted.settings",
    ),
    "the front door from inside": (
        inspection.floors,
        {"__init__.py": "", "http/app.py": "from accepted import Accepted"},
        "http may not import accepted.__init__",
    ),
    "a file above in the same room": (
        inspection.orders,
        {"contract/problem.py": "from .operation import Status", "contract/operation.py": ""},
        "accepted.contract.problem may not import accepted.contract.operation",
    ),
    "a room's front from inside the room": (
        inspection.orders,
        {"engine/__init__.py": "", "engine/feed.py": "from accepted.engine import Feed"},
        "accepted.engine.feed may not import accepted.engine.__init__",
    ),
    "a file without a place": (inspection.places, {"engine/ghost.py": ""}, "accepted.engine.ghost has no place"),
    "a room without a place": (inspection.places, {"attic.py": ""}, "accepted.attic has no place"),
    "a sibling": (
        inspection.siblings,
        {"store/sqlite.py": "from .postgres import Postgres", "store/postgres.py": ""},
        "accepted.store.sqlite knows its sibling accepted.store.postgres",
    ),
    "a sibling behind a third": (
        inspection.siblings,
        {"engine/worker.py": "from . import feed", "engine/feed.py": "from . import sweeper", "engine/sweeper.py": ""},
        "accepted.engine.worker knows its sibling accepted.engine.sweeper",
    ),
    "a sibling's relative": (
        inspection.siblings,
        {"store/sqlite_rows.py": "from . import postgres", "store/postgres.py": ""},
        "accepted.store.sqlite_rows knows its sibling accepted.store.postgres",
    ),
    "a circle": (
        inspection.circles,
        {
            "demo/sales.py": "from . import chart",
            "demo/chart.py": "from . import table",
            "demo/table.py": "from . import sales",
        },
        "circle: ",
    ),
    "a circle of types only": (
        inspection.circles,
        {
            "demo/sales.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .chart import Chart",
            "demo/chart.py": "from accepted.demo.sales import Sale",
        },
        "circle: ",
    ),
    "a client that knows the store": (
        inspection.foundations,
        {"client/blocking.py": "from accepted.store.protocol import Store", "store/protocol.py": ""},
        "client stands on contract alone",
    ),
    "a file of 351 lines": (inspection.lengths, {"cli.py": "x = 1\n" * 351}, "accepted.cli has 351 lines"),
    "a nameless file": (inspection.names, {"engine/utils.py": ""}, "accepted.engine.utils: a room needs a proper name"),
    "a nameless folder": (inspection.names, {"core/rows.py": ""}, "accepted.core.rows: a room needs a proper name"),
    "half a name": (inspection.names, {"http/_json_helpers.py": ""}, "a room needs a proper name"),
    "asyncio in the contract": (inspection.purity, {"contract/event.py": "import asyncio"}, "may not import asyncio"),
    "the clock in the contract": (
        inspection.purity,
        {"contract/event.py": "from time import time"},
        "import time.time",
    ),
    "a library in the contract": (inspection.purity, {"contract/event.py": "import httpx2"}, "may not import httpx2"),
    "a network in the contract": (inspection.purity, {"contract/event.py": "import http.client"}, "import http.client"),
    "print in the contract": (
        inspection.purity,
        {"contract/event.py": "print('here')\nif __name__ == '__main__':\n    print('there')"},
        "event.py:1: the contract may not call print",
    ),
    "the clock by its other name": (
        inspection.purity,
        {"contract/event.py": "import datetime\nnow = datetime.datetime.now(datetime.UTC)"},
        "may not call datetime.datetime.now",
    ),
}


@pytest.mark.parametrize(("rule", "files", "complaint"), OFFENCES.values(), ids=OFFENCES.keys())
def test_an_offence_is_caught(rule: Rule, files: dict[str, str], complaint: str, complaints: Complaints) -> None:
    found = complaints(files, rule)
    assert found
    assert complaint in found[0]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_decent_house_is_left_in_peace(rule: Rule, complaints: Complaints) -> None:
    decent = {
        "__init__.py": "from accepted.app import Accepted",
        "app.py": "from .http import app\nfrom .settings import Settings\nimport starlette",
        "cli.py": "import click\nfrom accepted import Accepted",
        "client/blocking.py": "from accepted.contract.wire import document",
        "contract/__init__.py": "from .lifecycle import step",
        "contract/lifecycle.py": "from . import operation, problem\nfrom .problem import Problem",
        "contract/operation.py": "from .problem import Problem",
        "contract/problem.py": "from http import HTTPStatus\nfrom urllib.parse import quote\nimport msgspec.json",
        "contract/wire.py": "",
        "demo/__init__.py": "from accepted import Accepted\nfrom accepted.demo.sales import report",
        "demo/sales.py": "",
        "engine/worker.py": "from .runner import run",
        "engine/runner.py": "from accepted.store import protocol\nimport asyncio",
        "http/app.py": "from . import jobs, operations\nfrom accepted import service",
        "http/jobs.py": "",
        "http/operations.py": "",
        "service.py": "from accepted.engine.worker import Worker",
        "settings.py": "x = 1\n" * plan.LONGEST_FILE,
        "store/protocol.py": "from accepted import contract",
    }
    assert complaints(decent, rule) == []


def test_the_import_is_light() -> None:
    script = f"import json, sys; from accepted import Accepted; print(json.dumps(sorted(sys.modules.keys() & {HEAVY})))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=SOURCE)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == []
