"""Settings: a keyword wins over the environment, that over the default; a bad value names itself and its source."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from accepted.settings import InvalidSetting, Settings, knobs, load, variable


def test_the_defaults_are_those_of_the_table() -> None:
    assert load({}, {}) == Settings()


def test_a_keyword_wins_over_the_environment_and_that_over_the_default() -> None:
    environment = {"ACCEPTED_LEASE_TTL": "10s"}
    assert load({}, environment).lease_ttl == 10.0
    assert load({"lease_ttl": "20s"}, environment).lease_ttl == 20.0
    assert load({"lease_ttl": None}, environment).lease_ttl == 10.0


def test_the_environment_is_the_processs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCEPTED_SLOTS", "7")
    monkeypatch.setenv("ACCEPTED_DATABASE_URL", "sqlite:////somewhere/x.db")
    settings = load({})
    assert (settings.slots, settings.database) == (7, "sqlite:////somewhere/x.db")


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("lease_ttl", "90s", 90.0),
        ("lease_ttl", "1h30m", 5400.0),
        ("lease_ttl", 5, 5.0),
        ("lease_ttl", timedelta(minutes=1), 60.0),
        ("body_limit", "64KiB", 65_536),
        ("artifact_limit", "2 GiB", 2 << 30),
        ("body_limit", 100, 100),
        ("webhook_allow_networks", "127.0.0.0/8, fd00::/8", (ip_network("127.0.0.0/8"), ip_network("fd00::/8"))),
        ("webhook_allow_networks", ["10.0.0.0/8"], (ip_network("10.0.0.0/8"),)),
        ("notify", "off", False),
        ("notify", "TRUE", True),
        ("notify", True, True),
        ("slots", "8", 8),
        ("allowed_hosts", "a.example, b.example,", ("a.example", "b.example")),
        ("allowed_hosts", ["a.example"], ("a.example",)),
        ("public_url", "https://a.example/", "https://a.example"),
        ("log_format", "json", "json"),
    ],
)
def test_values_are_read_as_people_write_them(name: str, given: Any, read: Any) -> None:
    assert getattr(load({name: given}, {}), name) == read


BAD: list[tuple[str, Any]] = [
    ("lease_ttl", "soon"),
    ("lease_ttl", "0.1s"),
    ("lease_ttl", "-1"),
    ("lease_ttl", "1e400"),
    ("lease_ttl", "nan"),
    ("lease_ttl", True),
    ("scan_interval", "0"),
    ("retention", []),
    ("body_limit", "1 MB"),
    ("body_limit", "1.5MiB"),
    ("body_limit", "-1"),
    ("slots", "0"),
    ("slots", "2.5"),
    ("slots", 2.5),
    ("slots", float("inf")),
    ("slots", True),
    ("max_crashes", "three"),
    ("notify", "maybe"),
    ("log_format", "xml"),
    ("database", "mysql://x"),
    ("database", "accepted.db"),
    ("allowed_hosts", 5),
    ("allowed_hosts", [5]),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_keyword_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidSetting, match=rf"^{name}: "):
        load({name: value}, {})


@pytest.mark.parametrize(("name", "value"), [each for each in BAD if isinstance(each[1], str)])
def test_a_bad_variable_is_refused_by_its_own(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=rf"^{variable(name)}: "):
        load({}, {variable(name): value})


def test_unknown_settings_are_refused_all_at_once() -> None:
    with pytest.raises(InvalidSetting, match="unknown setting: lease, slot"):
        load({"slot": 1, "lease": 2}, {})


def test_every_setting_says_what_it_means_in_one_sentence() -> None:
    assert list(knobs()) == list(Settings.__struct_fields__)
    for knob in knobs().values():
        assert knob.meaning.endswith(".")


def test_the_variable_of_the_database_is_a_url_as_everywhere() -> None:
    assert variable("database") == "ACCEPTED_DATABASE_URL"
    assert variable("lease_ttl") == "ACCEPTED_LEASE_TTL"
