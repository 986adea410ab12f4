"""`accepted doctor` names every unsafe value of every setting; the cases come from the settings' own metadata."""

from __future__ import annotations

from pathlib import Path

import pytest

from accepted.doctor import WARNING, examine
from accepted.settings import Settings, knobs, variable
from tests.processes.serving import run
from tests.store.server import the_server

DANGERS = {name: knob.danger for name, knob in knobs().items() if knob.danger is not None}
SAFE = {"secret_keys"}  # whose default is warned of: a key cannot have a default


def warnings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: str) -> list[str]:
    for name, value in {"database": f"sqlite:///{tmp_path}/accepted.db", **changes}.items():
        monkeypatch.setenv(variable(name), value)
    return [finding.text for finding in examine(None) if finding.severity >= WARNING]


@pytest.mark.parametrize("name", DANGERS)
def test_an_unsafe_value_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    danger = DANGERS[name]
    said = warnings(tmp_path, monkeypatch, **{name: danger.example})
    assert [line for line in said if line.startswith(f"{name} is ") and line.endswith(danger.why)], said


@pytest.mark.parametrize("name", DANGERS)
def test_defaults_are_safe(name: str) -> None:
    assert bool(DANGERS[name].found(getattr(Settings(), name))) == (name in SAFE)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, ""),
        ({"allowed_hosts": "localhost, api.example"}, "it answers to api.example,"),
        ({"public_url": "https://api.example"}, "it answers to api.example,"),
        ({"public_url": "http://localhost:8000"}, ""),
    ],
)
def test_a_server_for_others_that_asks_nobody_who_they_are(
    changes: dict[str, str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable("database"), f"sqlite:///{tmp_path}/accepted.db")
    monkeypatch.setenv("TEST_FOLDER", str(tmp_path))
    module = f"opened_{tmp_path.name}"
    named_settings = ", ".join(f"{name}={value!r}" for name, value in changes.items())
    (tmp_path / f"{module}.py").write_text(f"from accepted import Accepted\napp = Accepted({named_settings})\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    said = [finding.text for finding in examine(f"{module}:app") if "it answers to" in finding.text]
    assert [line.startswith(named) for line in said] == ([True] if named else [])


def looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, **changes: str) -> list[str]:
    """Warnings about an app that others reach by a name."""
    for name, value in {"database": url, "allowed_hosts": "api.example", **changes}.items():
        monkeypatch.setenv(variable(name), value)
    module = f"looked_at_{tmp_path.name}"
    (tmp_path / f"{module}.py").write_text("from accepted import Accepted\napp = Accepted()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return [finding.text for finding in examine(f"{module}:app") if "api.example" in finding.text]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize("how", ["nothing", "key", "revoked", "required", "token"])
def test_who_has_to_say_who_they_are_needs_no_warning(
    kind: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = the_server().database() if kind == "postgres" else f"sqlite:///{tmp_path}/accepted.db"
    settings, changes = {"ACCEPTED_DATABASE_URL": url}, {"trusted_proxies": "10.0.0.1"}
    match how:
        case "key" | "revoked":
            made = run("keys", "create", "--owner", "acme", settings=settings)
            assert made.returncode == 0, made.stderr
            if how == "revoked":
                assert run("keys", "revoke", made.stdout[:16], settings=settings).returncode == 0
        case "required":
            changes["require_auth"] = "true"
        case "token":
            changes["jwt_key"] = "k" * 32
    said = looked_at(tmp_path, monkeypatch, url, **changes)
    assert [line.startswith("it answers to api.example,") for line in said] == ([True] if how == "nothing" else [])


def test_looking_for_keys_makes_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked_at(tmp_path, monkeypatch, f"sqlite:///{tmp_path}/accepted.db")
    assert not (tmp_path / "accepted.db").exists()


@pytest.mark.parametrize("how", ["nothing", "proxy", "certificate"])
def test_what_can_be_read_on_the_way(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    safe = {"nothing": {}, "proxy": {"trusted_proxies": "10.0.0.1"}, "certificate": {"tls_cert": "a", "tls_key": "b"}}
    said = looked_at(tmp_path, monkeypatch, f"sqlite:///{tmp_path}/accepted.db", require_auth="true", **safe[how])
    assert [line.startswith("tls: ") for line in said] == ([True] if how == "nothing" else [])


def test_whatever_lifts_a_limit_or_a_rule_has_its_warning() -> None:
    lifting = {name for name in knobs() if name.endswith("_rate")}
    lifting |= {name for name in knobs() if "allow_" in name or name in {"allowed_hosts", "trusted_proxies"}}
    assert lifting - DANGERS.keys() == set()
