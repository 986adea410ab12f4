"""Each broken server is caught, by the check that is meant for it and by none that is not.

What is asked of it is the core, and the whole sections that its fault concerns; of some, everything.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from accepted.verify.check import CHECKS, Level
from tests.verify.sabotages import SABOTAGES, Sabotage
from tests.verify.serving import complaints, every_kind, judged, manifest_of, served, slow, sqlite


def concerned(sabotage: Sabotage) -> Callable[[str], bool]:
    """Which checks are left out."""
    sections = {id.partition(".")[0] for id in (sabotage.caught_by, *sabotage.also)}

    def leave(id: str) -> bool:
        far = CHECKS[id].level is not Level.CORE and id.partition(".")[0] not in sections
        return not sabotage.whole and (far or slow(id))

    return leave


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
async def test_a_broken_server_is_caught(sabotage: Sabotage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = every_kind(monkeypatch, sqlite(tmp_path), walk=1.5)
    async with served(sabotage.wrap(app)) as url:
        manifest = manifest_of("every_kind", patience=30.0 if sabotage.whole else 12.0)
        report = await judged(url, manifest, leave=concerned(sabotage))
    failed = {result.check.id for result in report.failed}
    assert sabotage.caught_by in failed, f"not caught; what failed: {sorted(failed)}"
    assert failed <= {sabotage.caught_by, *sabotage.also}, complaints(report)
    assert all(result.evidence for result in report.failed)


def test_the_sabotages_name_checks_that_there_are() -> None:
    named = {id for sabotage in SABOTAGES for id in (sabotage.caught_by, *sabotage.also)}
    assert named <= CHECKS.keys()
    assert len({sabotage.name for sabotage in SABOTAGES}) == len(SABOTAGES) >= 30
