"""The peers' own Python environment, built when it is first asked for, outside the tree, and kept.

It lies under the user's cache directory, named after what is in it, so that another list of requirements makes
another one.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements.txt"


def program(name: str) -> str:
    """A program of the environment, which is built if need be. Raises CalledProcessError where that fails."""
    directory = _directory()
    if not (directory / "complete").exists():
        _build(directory)
    return str(directory / "bin" / name)


def _directory() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    content = f"{sys.version_info.major}.{sys.version_info.minor}\n{REQUIREMENTS.read_text()}"
    return cache / "accepted-bench" / hashlib.sha256(content.encode()).hexdigest()[:12]


def _build(directory: Path) -> None:
    print(f"building the peers' environment in {directory}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
    install = [str(directory / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*install, "-r", REQUIREMENTS], check=True, stdout=sys.stderr)
    (directory / "complete").touch()
