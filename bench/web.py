"""The same application without a worker, for a plain uvicorn."""

from bench.application import app

__all__ = ["app"]

app.worker = False
