"""The blocking client and a real server: everything that can be done with an operation."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from accepted import Client
from accepted.client import OperationFailed, Unreachable
from tests.processes.serving import Server


def test_the_blocking_client_from_submit_to_download(server: Server, tmp_path: Path) -> None:
    with Client(server.url) as client:
        operation = client.submit("/notes", 20)
        events = list(operation.events(after="0"))
        assert [event.id for event in events] == [str(number) for number in range(1, len(events) + 1)]
        assert operation.result(dict[str, int])["attempt"] == 1
        assert operation.download(tmp_path / "r.json").read_text().startswith('{"attempt":1')
        assert client.resume(operation.token).wait().succeeded
        assert next(client.jobs(limit=1)).operation_id == operation.id
        failed = client.submit("/screams", "no")
        with pytest.raises(OperationFailed, match="no"):
            failed.result()
        assert [line.message for line in failed.logs(follow=True)] == [line.message for line in failed.logs()]
        waiting = client.submit("/gates", "never")
        assert waiting.cancel("enough").reason == "enough"


def test_a_timeout_ends_in_time_while_the_stream_is_open(server: Server) -> None:
    with Client(server.url) as client:
        operation = client.submit("/gates", "late")
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            operation.wait(timeout=0.3)
        assert 0.25 < time.monotonic() - began < 5
        operation.cancel()


def test_a_server_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    with Client("http://127.0.0.1:1", patience=0.01) as client, pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
        client.submit("/noops")
