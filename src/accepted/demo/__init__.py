"""The demo: four operations on a year of grocery transactions, served by `accepted serve accepted.demo:app`.

The rules of the room:

- `operations.py` is the only module that knows Accepted; all others are plain functions over values, to be read, tested
  and borrowed alone.
- A web process imports this package and never runs it, so pyarrow and reportlab are imported by the running functions.
- Work reports through a `Tick` every few tens of milliseconds: that is where a cancel gets in.
"""

from accepted.demo.operations import app

__all__ = ["app"]
