"""`accepted verify`: the conformance kit of asynchronous operations over HTTP, for any server in any language.

It judges from outside: it knows HTTP, and nothing of the server that this package also is (a test holds the room to
that). What the server is asked to do stands in a manifest (`manifest.py`); what is expected of it are small functions
registered as data (`check.py`, `checks/`), each with the section of the contract that it holds and the level that it
belongs to. Every check speaks through a caller that writes down what was said (`exchange.py`), so that a failure comes
with its evidence.
"""

from .manifest import InvalidManifest, Manifest, load
from .report import Report, Verdict
from .run import verify

__all__ = ["InvalidManifest", "Manifest", "Report", "Verdict", "load", "verify"]
