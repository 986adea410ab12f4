"""Counts belong to whom what is counted belongs to; so does the stream of them."""

from __future__ import annotations

import json

from tests.http.api import eventually
from tests.http.conftest import MakeApp, Start
from tests.http.streaming import Reader, open_streams
from tests.http.test_13_rules import by_name


async def test_counts_and_their_stream_know_nothing_of_anothers(make_app: MakeApp, start: Start) -> None:
    """Neither how many, nor of which type, nor that anything has happened at all."""
    api = await start(make_app(authenticate=by_name))
    streams = {who: Reader(api.app, "/statistics/stream", headers={"x-caller": f"{who}/read"}) for who in ("acme", "b")}
    for stream in streams.values():
        await stream.until(1)
    b, acme = {"x-caller": "b/submit,read"}, {"x-caller": "acme/submit,read"}
    for path in ("/echoes", "/failures", "/retryables"):
        assert (
            await api.post(path, json="x" if path == "/echoes" else None, headers=acme | {"prefer": "wait=10"})
        ).status_code in {200, 303}
    await streams["acme"].sees(lambda: any(event.name == "operations" for event in streams["acme"].events))
    assert (await api.post("/warnings", headers=b | {"prefer": "wait=10"})).status_code == 200
    await streams["b"].sees(lambda: any(event.name == "operations" for event in streams["b"].events))
    answer = await eventually(
        lambda: api.get("/statistics", headers=b), lambda found: b'WITH_ERRORS":1' in found.content
    )
    counts = answer.json()
    assert {status: number for status, number in counts["operations"].items() if number} == {"COMPLETED_WITH_ERRORS": 1}
    heard = json.dumps(counts) + "".join(event.data for event in streams["b"].events)
    assert "warning" in heard
    for foreign in ("echo", "failing", "retryable", "acme"):
        assert f'"{foreign}"' not in heard
    assert '"echo"' in "".join(event.data for event in streams["acme"].events), "it is there to be found"
    for stream in streams.values():
        await stream.leave()
    assert open_streams(api) == 0
