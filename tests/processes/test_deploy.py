"""The examples in `deploy/`: what they say is understood, and what they describe runs."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from pathlib import Path
from typing import Any

import asyncpg
import click
import httpx2
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from websockets.asyncio.client import connect

from accepted.cli import main
from accepted.http.routes import routes
from accepted.settings import knobs, variable
from accepted.store.postgres import PostgresStore
from tests.contract.given import accept, claim
from tests.processes.deadline import PATIENCE, until
from tests.processes.deployment import DEPLOY, Stack, commands, composed, configured, containers, resources, running
from tests.processes.diary import Diary
from tests.processes.serving import MENU, ROOT, run
from tests.sse import Event, Parser
from tests.store.asking import ask, register
from tests.store.server import the_server

SETTINGS = {variable(name) for name in knobs()}


def test_all_that_was_asked_for_is_there() -> None:
    services = composed()["services"]
    assert {"database", "migrate", "proxy", "web-1", "web-2", "worker-1", "worker-2"} == set(services)
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_is_understood(command: list[str]) -> None:
    known = main.get_command(click.Context(main), command[0])
    assert known is not None
    known.make_context(command[0], command[1:])


@pytest.mark.parametrize("environment", configured(), ids=["compose", "kubernetes"])
def test_nobody_is_let_in_without_a_key_nor_listens_on_the_way(environment: dict[str, str], tmp_path: Path) -> None:
    """Neither example asks for anything insecure, and with its settings `serve` listens for others all the same."""
    assert not [word for command in commands() for word in command if word.startswith("--insecure")]
    here = {"ACCEPTED_DATABASE_URL": f"sqlite:///{tmp_path}/accepted.db", "TEST_FOLDER": str(tmp_path)}
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that the door does not really open
        port = str(taken.getsockname()[1])
        answer = run("serve", MENU, "--host", "0.0.0.0", "--port", port, settings=environment | here)
    assert answer.stderr == f"Error: Cannot listen on 0.0.0.0:{port}: Address already in use.\n"


def test_every_setting_is_known() -> None:
    named = {name for service in composed()["services"].values() for name in service.get("environment", {})}
    for resource in resources():
        named |= set(resource.get("data", {})) | set(resource.get("stringData", {}))
    named |= set(re.findall(r"ACCEPTED_\w+", (DEPLOY / "Dockerfile").read_text(encoding="utf-8")))
    ours = {name for name in named if name.startswith("ACCEPTED_")}
    assert ours
    assert ours <= SETTINGS


@pytest.mark.parametrize(
    "resource", resources(), ids=lambda resource: f"{resource['kind']}-{resource['metadata']['name']}"
)
def test_kubernetes_takes_it(resource: dict[str, Any]) -> None:
    """Against the schemas of Kubernetes; KEDA's two are not among them, the query below is what matters in them."""
    if resource["apiVersion"].startswith("keda.sh/"):
        assert resource["kind"] in {"ScaledObject", "TriggerAuthentication"}
    else:
        kubernetes_validate.validate(resource, "1.37", strict=True)


def test_probes_ask_what_is_answered() -> None:
    paths = {path for path, method in routes(()) if method == "GET"}
    probes = [probe for container in containers() for name, probe in container.items() if name.endswith("Probe")]
    assert len(probes) == 3
    assert {probe["httpGet"]["path"] for probe in probes} == {"/health/live", "/health/ready"} <= paths


def test_selectors_find_their_pods() -> None:
    labels = [r["spec"]["template"]["metadata"]["labels"] for r in resources() if r["kind"] == "Deployment"]
    for resource in resources():
        spec = resource.get("spec", {})
        wanted = spec.get("selector") or spec.get("podSelector") or {}
        wanted = wanted.get("matchLabels", wanted)
        assert not wanted or wanted in labels, resource["metadata"]["name"]


async def test_the_autoscaler_counts_what_waits_and_what_runs() -> None:
    (scaled,) = [resource for resource in resources() if resource["kind"] == "ScaledObject"]
    url = the_server().database()
    store = PostgresStore(url, notify=False)
    await store.open()
    await register(store)
    await ask(store, *(accept(number) for number in range(5)), claim(room=2))
    connection = await asyncpg.connect(url)
    assert await connection.fetchval(scaled["spec"]["triggers"][0]["metadata"]["query"]) == 5
    await connection.close()
    await store.close()


def test_the_image_is_built_from_what_is_there() -> None:
    """The files it copies are let through and exist, its extras too, and its pins are those of the lock."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [word for words in re.findall(r"^COPY (?!--)(.+) \S+$", text, re.MULTILINE) for word in words.split()]
    assert len(copied) > 3
    assert all((ROOT / name).exists() and f"!{name}" in ignored for name in copied)
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", text)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f"\n{extra} = [" in project for extra in extras.split(","))
    (pattern,) = re.findall(r"grep -oE '(.+?)'", text)
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = [pin for line in lock.splitlines() for pin in re.findall(pattern, line)]
    assert len(pins) == len(re.findall("==", lock)) > 30


def test_two_web_nodes_two_workers_and_a_proxy(tmp_path: Path) -> None:
    """The compose file's own commands and proxy: streams come as they are made, and either node may go. No ticket is in
    a log.
    """
    diary = Diary(tmp_path / "diary")
    with running(tmp_path, the_server().database()) as stack:
        assert httpx2.get(f"{stack.url}/jobs", trust_env=False).status_code == 401
        _streams_are_not_held_back(stack, tmp_path)
        asyncio.run(_sockets_get_through(stack, tmp_path))
        large = stack.api.post(
            "/notes", content=b'"' + b"x" * (2 << 20) + b'"', headers={"Content-Type": "application/json"}
        )
        assert (large.status_code, large.headers["content-type"]) == (413, "application/problem+json")
        operation = stack.api.submit("/gates", "late")
        first = until("the function runs", lambda: diary.of(operation))[0]
        stack.web[0].close()
        assert all(stack.api.status(operation)["status"] == "PROCESSING" for _ in range(10))
        (tmp_path / "late").touch()
        assert stack.api.ended(operation)["status"] == "COMPLETED"
        assert first.pid in {worker.pid for worker in stack.workers}
        for program in (*stack.web[1:], *stack.workers):
            program.end()
    access = (tmp_path / "access").read_text(encoding="utf-8")
    assert f"GET /operations/{operation} " in access
    assert not [file.name for file in tmp_path.iterdir() if file.is_file() and b"tk_" in file.read_bytes()]


def _streams_are_not_held_back(stack: Stack, folder: Path) -> None:
    """An event is here while the function still waits for us to have read it."""
    operation = stack.api.submit("/gates", "stream")
    parser, events = Parser(), list[Event]()
    ticket = stack.api.post(f"/operations/{operation}/ticket").json()["ticket"]
    path = f"{stack.url}/operations/{operation}/stream?after=0&ticket={ticket}"
    with httpx2.stream("GET", path, trust_env=False, timeout=PATIENCE) as stream:
        for chunk in stream.iter_bytes():
            events += parser.feed(chunk)
            if any(event.document["status"] == "PROCESSING" for event in events):
                (folder / "stream").touch()
    assert events[-1].document["status"] == "COMPLETED"


async def _sockets_get_through(stack: Stack, folder: Path) -> None:
    operation = await asyncio.to_thread(stack.api.submit, "/gates", "socket")
    async with (
        asyncio.timeout(PATIENCE),
        connect(
            f"ws{stack.url[4:]}/operations/{operation}/status",
            additional_headers={"Authorization": stack.api.headers["Authorization"]},
            proxy=None,
        ) as talk,
    ):
        told = json.loads(await talk.recv())
        (folder / "socket").touch()
        while told["event"] != "COMPLETED":
            told = json.loads(await talk.recv())
