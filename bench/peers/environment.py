"""The peers' own Python environment, built when it is first asked for, outside the tree, and kept.

It lies under the user's cache directory, named after what is in it, so that another list of requirements makes
another one. Its Python is ours; a peer that asks for a newer one gets another environment, of the newest Python on the
path (behind pyenv's stand-ins too), for newer ones were faster.
"""

import functools
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec

REQUIREMENTS = Path(__file__).parent / "requirements.txt"
NEWER = ("3.14", "3.13", "3.12")

Version = tuple[int, int]
OURS: Version = (sys.version_info.major, sys.version_info.minor)


class Python(msgspec.Struct, frozen=True):
    """An interpreter, and which it is."""

    path: str
    version: Version


def program(name: str, least: Version = OURS) -> str:
    """A program of the environment, which is built if need be.

    Raises CalledProcessError where that fails, and FileNotFoundError where no Python is as new as `least`.
    """
    python = interpreter(least)
    directory = _directory(python.version)
    if not (directory / "complete").exists():
        _build(directory, python.path)
    return str(directory / "bin" / name)


@functools.cache
def interpreter(least: Version) -> Python:
    """Our own Python if it is as new as that, else the newest on the path. Raises FileNotFoundError without one."""
    if least <= OURS:
        return Python(sys.executable, OURS)
    for name in NEWER:
        path, version = _asked(name), _version(name)
        if path and version >= least:
            return Python(path, version)
    raise FileNotFoundError(f"Python {least[0]}.{least[1]} or newer missing")


def _asked(name: str) -> str:
    """Where the Python of that version says it is; empty if there is none that runs."""
    argv = [f"python{name}", "-c", "import sys; print(sys.executable)"]
    environment = {**os.environ, "PYENV_VERSION": name}
    try:
        answer = subprocess.run(argv, check=True, capture_output=True, text=True, env=environment)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return ""
    return answer.stdout.strip()


def _version(name: str) -> Version:
    major, minor = name.split(".")
    return int(major), int(minor)


def _directory(version: Version) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    content = f"{version[0]}.{version[1]}\n{REQUIREMENTS.read_text()}"
    return cache / "accepted-bench" / hashlib.sha256(content.encode()).hexdigest()[:12]


def _build(directory: Path, python: str) -> None:
    print(f"building the peers' environment in {directory}", file=sys.stderr)
    subprocess.run([python, "-m", "venv", "--clear", directory], check=True)
    install = [str(directory / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*install, "-r", REQUIREMENTS], check=True, stdout=sys.stderr)
    (directory / "complete").touch()
