"""Into other people's apps: routes, OpenAPI and lifespan for FastAPI and Starlette."""

from __future__ import annotations

from typing import Any


def install(accepted: Any, app: Any, prefix: str) -> None:
    raise RuntimeError


def router(accepted: Any, prefix: str, **options: Any) -> Any:
    raise RuntimeError
