"""What came out: a result for each check, a verdict for each level, and both as JSON and JUnit XML."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any
from xml.etree import ElementTree as ET

import msgspec

from .check import CHECKS, Check, Level
from .manifest import Feature, Manifest


class Outcome(StrEnum):
    """What a check came to."""

    PASSED = "passed"
    FAILED = "failed"
    LEFT_OUT = "left out"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One check's. `complaint` says what the server did instead, or why the check was left out; `took` in seconds."""

    check: Check
    outcome: Outcome
    complaint: str = ""
    evidence: str = ""
    took: float = 0.0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a level is reached: it and all below. `without` is what is not offered, which the level allows."""

    level: Level
    reached: bool
    words: str
    without: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """As it is shown."""
        return f"{self.level}: {self.words}"


def why_left_out(check: Check, manifest: Manifest) -> str:
    """Why a check cannot be made with this manifest; empty if it can."""
    if missing := [feature for feature in check.needs if feature in manifest.missing]:
        return f"{missing[0]} is not offered"
    if absent := [role for role in check.uses if role not in manifest.operations]:
        return f"the manifest has no operation for {absent[0]}"
    return ""


class Report(msgspec.Struct, frozen=True):
    """All results, in the order of the contract."""

    server: str
    results: tuple[Result, ...]
    took: float

    @property
    def failed(self) -> list[Result]:
        return [result for result in self.results if result.outcome is Outcome.FAILED]

    @property
    def verdicts(self) -> list[Verdict]:
        """One for each level that was asked about, from the lowest."""
        found: list[Verdict] = []
        for level in Level:
            verdict = self._verdict(level, below=found[-1] if found else None)
            if verdict is None:
                break
            found.append(verdict)
        return found

    def _verdict(self, level: Level, below: Verdict | None) -> Verdict | None:
        mine = [result for result in self.results if result.check.level is level]
        if not mine:
            return None
        whole = sum(each.level is level for each in CHECKS.values())
        failed = sum(result.outcome is Outcome.FAILED for result in mine)
        ran = [result for result in mine if result.outcome is not Outcome.LEFT_OUT]
        left = [result for result in mine if result.outcome is Outcome.LEFT_OUT]
        without = tuple(dict.fromkeys(_reason(result) for result in left))
        if failed:
            words = f"no, {failed} of {len(ran)} failed"
        elif len(mine) < whole:
            words = f"not judged, only {len(mine)} of its {whole} checks were asked for"
        elif needed := _needed(level, without, ran):
            words = f"no, {needed}"
        elif below is not None and not below.reached:
            words = f"no, for {below.level} is not reached; its own {len(ran)} passed"
        else:
            words = f"yes, {len(ran)} passed" + (f"; without {', '.join(without)}" if without else "")
            return Verdict(level=level, reached=True, words=words, without=without)
        return Verdict(level=level, reached=False, words=words, without=without)

    def json(self) -> bytes:
        """All of it, evidence included."""
        document: dict[str, Any] = {
            "server": self.server,
            "took": round(self.took, 3),
            "levels": {
                each.level: {"reached": each.reached, "verdict": each.words, "without": each.without}
                for each in self.verdicts
            },
            "checks": [_written(result) for result in self.results],
        }
        return msgspec.json.format(msgspec.json.encode(document), indent=2)

    def junit(self) -> bytes:
        """As JUnit XML: a suite for each section."""
        root = ET.Element("testsuites", name=f"accepted verify {self.server}", time=f"{self.took:.3f}")
        for section in dict.fromkeys(result.check.section for result in self.results):
            mine = [result for result in self.results if result.check.section == section]
            suite = ET.SubElement(root, "testsuite", {"name": section, **_counted(mine)})
            for result in mine:
                _case(suite, result)
        ET.indent(root)
        body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
        return body


def _reason(result: Result) -> str:
    return result.complaint.removesuffix(" is not offered").replace(
        "the manifest has no operation for", "an operation for"
    )


def _needed(level: Level, without: Sequence[str], ran: Sequence[Result]) -> str:
    """What a server cannot do without on this level: all of the core, and one way of following live."""
    if level is Level.CORE and without:
        return f"it cannot do without {', '.join(without)}"
    if level is Level.LIVE and {Feature.STREAMS, Feature.SOCKETS} <= {*without}:
        return "it offers neither streams nor sockets"
    return "" if ran else "nothing of it is offered"


def _written(result: Result) -> dict[str, Any]:
    check = result.check
    document = {"id": check.id, "section": check.section, "level": check.level, "shows": check.shows}
    said = {"complaint": result.complaint, "evidence": result.evidence}
    return {
        **document,
        "outcome": result.outcome,
        "took": round(result.took, 3),
        **{k: v for k, v in said.items() if v},
    }


def _counted(results: Sequence[Result]) -> dict[str, str]:
    failed = sum(result.outcome is Outcome.FAILED for result in results)
    skipped = sum(result.outcome is Outcome.LEFT_OUT for result in results)
    return {"tests": str(len(results)), "failures": str(failed), "errors": "0", "skipped": str(skipped)}


def _case(suite: ET.Element, result: Result) -> None:
    check = result.check
    case = ET.SubElement(suite, "testcase", classname=check.group, name=check.id, time=f"{result.took:.3f}")
    if result.outcome is Outcome.FAILED:
        failure = ET.SubElement(case, "failure", message=result.complaint, type="Broken")
        failure.text = f"{check.shows}\n\n{result.evidence}"
    elif result.outcome is Outcome.LEFT_OUT:
        ET.SubElement(case, "skipped", message=result.complaint)
