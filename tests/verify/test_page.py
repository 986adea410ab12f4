"""docs/verify.md tells all checks, roles, features and members that there are."""

from __future__ import annotations

import msgspec
import pytest

from accepted.verify.catalogue import lines, summary
from accepted.verify.manifest import ROLES, Auth, Feature, Manifest, Paths, Use, Webhooks
from tests.house.tree import ROOT
from tests.verify.sabotages import SABOTAGES

PAGE = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")


def test_the_page_has_the_table_of_all_checks() -> None:
    _, _, rest = PAGE.partition("<!-- checks: python -m accepted.verify.catalogue -->\n")
    table = rest.partition("<!-- end of checks -->")[0]
    assert table.strip() == "\n".join([summary(), *lines()]).strip(), "python -m accepted.verify.catalogue prints it"


def test_the_page_says_what_each_role_does() -> None:
    assert [role for role, how in ROLES.items() if f"| `{role}` | {how} |" not in PAGE] == []


@pytest.mark.parametrize("record", [Manifest, Use, Auth, Webhooks, Paths])
def test_the_page_has_every_member(record: type[msgspec.Struct]) -> None:
    assert [name for name in record.__struct_fields__ if f"`{name}`" not in PAGE] == []


def test_the_page_has_every_feature() -> None:
    assert [feature for feature in Feature if f"`{feature}`" not in PAGE] == []


def test_the_page_counts_the_broken_servers() -> None:
    assert f"put {len(SABOTAGES)} broken servers" in PAGE
