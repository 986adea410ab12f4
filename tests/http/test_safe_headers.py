"""What stands on every answer of every route, generated from the table of routes (safe defaults)."""

from __future__ import annotations

import pytest

from accepted.http.routes import FIXED
from tests.http.api import Api, method_to_end

PROBES = [
    *((route.method, path) for path, route in FIXED.items()),
    ("POST", "/noops"),
    ("PUT", "/noops"),
    ("GET", "/x"),
]
PAGES = ("/problems", "/problems/{slug}")


@pytest.mark.parametrize(("method", "path"), PROBES)
async def test_every_answer_is_safe_to_look_at(api: Api, method: str, path: str) -> None:
    id = (await api.run("/noops"))["operationId"]
    for named, slug in ((id, "overloaded"), ("op-" + "0" * 26, "no_such_slug")):
        job = named.replace("op-", "job-")
        filled = path.replace("{id}", job if path.startswith("/jobs") else named).replace("{slug}", slug)
        filled = filled.replace("{deliveryId}", "whd-none") + (f"?ids={named}" if path == "/operations/stream" else "")
        answer = await api.request(method_to_end(path, method), filled)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers
        if path not in PAGES and answer.status_code != 204 and not path.endswith("/result"):
            assert answer.headers["cache-control"] in {"no-store", "no-cache"}


@pytest.mark.parametrize("path", PAGES)
async def test_pages_run_nothing(api: Api, path: str) -> None:
    policy = (await api.get(path.replace("{slug}", "overloaded"))).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
