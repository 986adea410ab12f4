"""OpenAPI 3.1 of what this app really serves."""

from __future__ import annotations

from typing import Any

from ..engine.registry import Registry
from ..settings import Settings
from .call import Call


class OpenApi:
    """`GET /openapi.json`."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._settings = settings

    async def get(self, call: Call) -> None:
        """The whole document."""
        await call.json(200, self.document(call.base))

    def document(self, base: str) -> dict[str, Any]:
        """The document for an app whose links start with `base`."""
        return {"openapi": "3.1.0", "paths": {}}
