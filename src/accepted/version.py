"""The version, in one place: the package's metadata."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("accepted")
except PackageNotFoundError:  # run from a folder that was never installed
    VERSION = "0"
