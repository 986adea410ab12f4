"""Tests of fastapi_app.py: the app's own paths and its operations, without a server and without waiting.

pip install accepted fastapi pytest
pytest test_fastapi_app.py
"""

import asyncio

import fastapi_app
import pytest
from fastapi import FastAPI

from accepted import Accepted
from accepted.testing import SyncTrial, at_least_once


@pytest.fixture
def accepted_app() -> Accepted:
    return fastapi_app.ops


@pytest.fixture
def accepted_asgi() -> FastAPI:
    return fastapi_app.app


@pytest.fixture
def accepted_prefix() -> str:
    return "/ops"


@pytest.fixture(autouse=True)
def no_orders() -> None:
    fastapi_app.orders.clear()


def test_an_export_holds_what_was_ordered(trial: SyncTrial) -> None:
    for item in ("tea", "milk", "tea"):
        trial.http.post("/orders", json={"item": item, "quantity": 2, "price": "4.20"}).raise_for_status()
    export = trial.client.submit("/exports", {"item": "tea"})
    assert export.result() == b"item,quantity,total\r\ntea,2,8.40\r\ntea,2,8.40\r\n"


def test_an_export_is_gone_after_its_hour(trial: SyncTrial) -> None:
    export = trial.client.submit("/exports", {})
    export.wait()
    trial.advance("61m")
    assert trial.http.get(f"/ops/operations/{export.id}").status_code == 410


def test_who_asked_is_told(trial: SyncTrial) -> None:
    hook = {"url": "https://shop.example/hooks", "secret": "known to both of us"}
    export = trial.client.submit("/exports", {}, webhook=hook)
    export.wait()
    trial.settle()
    (received,) = trial.inbox.of(export.id)
    assert received.verify("known to both of us").event == "COMPLETED"


def test_a_wrong_request_is_refused(trial: SyncTrial) -> None:
    assert trial.http.post("/ops/exports", json={"item": 7}).status_code == 422


def test_an_export_may_run_twice() -> None:
    verdict = asyncio.run(at_least_once(fastapi_app.export, {}, observe=lambda: list(fastapi_app.orders)))
    assert verdict.safe, verdict
