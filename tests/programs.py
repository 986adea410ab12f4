"""Programs that some tests drive and pip cannot bring; `make test` installs them on Debian."""

from __future__ import annotations

import shutil

import pytest


def program(*names: str) -> str:
    """The path of the first of these that is installed; without any of them the test fails, and says so."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail(f"this test needs {names[0]}, which is not installed: apt-get install {names[0]}", pytrace=False)
    return found
