"""How the dashboard is served: whole, strictly, kept for ever by what it is, and without anything from elsewhere."""

import re
from pathlib import Path

import httpx2
import pytest

from accepted.http.dashboard import FOLDER
from tests.http.api import Api, problem

FILES = sorted(path for path in FOLDER.iterdir() if path.is_file())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
MARKUP = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    "DOMParser",
    "srcdoc",
)


def by_name(path: Path) -> str:
    return path.name


async def test_the_page_lets_nothing_run_but_its_own_files(api: Api) -> None:
    answer = await api.get("/dashboard")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert (policy["default-src"], policy["frame-ancestors"]) == ("'none'", "'none'")
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"<style|style=|<script(?![^>]* src=)|\son\w+=", answer.text)
    assert not re.search(r"(?:src|href)=\"(?:[a-z]+:)?//?", answer.text), "all addresses are relative to the page"


async def test_every_file_of_the_page_is_there_and_kept_for_ever(api: Api) -> None:
    page = (await api.get("/dashboard")).text
    addresses = set(re.findall(r'(?:src|href)="(dashboard/[^"]+)"', page))
    names = {address.rpartition("/")[2] for address in addresses}
    assert names == {path.name for path in FILES} - {"index.html"}, "each module is fetched at once, not one by one"
    for address in addresses:
        answer = await api.get(f"/{address}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_page_is_asked_for_again_and_seldom_sent(api: Api) -> None:
    answer = await api.get("/dashboard")
    assert answer.headers["cache-control"] == "no-cache"
    again = await api.get("/dashboard", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_file_of_another_version_is_served_and_not_kept(api: Api) -> None:
    answer = await api.get("/dashboard/0123456789abcdef/main.js")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize("name", ["index.html", "nothing.js", "..%2Fapp.py", "%2e%2e", "main.js%00", "__init__.py"])
async def test_nothing_else_is_a_file_of_it(api: Api, name: str) -> None:
    answer: httpx2.Response = await api.get(f"/dashboard/now/{name}")
    assert answer.status_code == 404
    problem(answer, 404, "not-found") if "%" not in name else None


@pytest.mark.parametrize("path", FILES, ids=by_name)
def test_a_file_is_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350


@pytest.mark.parametrize("path", SCRIPTS, ids=by_name)
def test_a_script_reads_no_markup_and_asks_nobody_else(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [word for word in MARKUP if word in text] == []
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text) == []
    assert all(name.startswith("./") for name in re.findall(r'from "([^"]+)"', text))
