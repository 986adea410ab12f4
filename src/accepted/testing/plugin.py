"""The pytest plugin: fixtures for tests of an app, found by pytest itself once Accepted is installed.

A test file, or conftest.py, says which app:

    @pytest.fixture
    def accepted_app() -> Accepted:
        return app

Nothing of Accepted is imported before a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .bridge import SyncTrial


@pytest.fixture
def accepted_app() -> Any:
    """The app to try: yours to define."""
    raise pytest.UsageError(
        "define a fixture `accepted_app` that returns your Accepted (and `accepted_asgi` for the app that it is "
        "installed in, if any)"
    )


@pytest.fixture
def accepted_asgi(accepted_app: Any) -> Any:
    """The ASGI app that requests go to: `accepted_app` itself, or what it is installed in."""
    return accepted_app


@pytest.fixture
def accepted_prefix() -> str:
    """Where in `accepted_asgi` it is installed."""
    return ""


@pytest.fixture
def accepted_settings() -> dict[str, Any]:
    """Settings for the length of a test."""
    return {}


@pytest.fixture
def trial(
    accepted_app: Any, accepted_asgi: Any, accepted_prefix: str, accepted_settings: dict[str, Any]
) -> Iterator[SyncTrial]:
    """The app, running on an empty database, with clients, a clock to move and an inbox for webhooks."""
    from .bridge import sync_trial

    with sync_trial(accepted_app, accepted_asgi, prefix=accepted_prefix, **accepted_settings) as running:
        yield running
