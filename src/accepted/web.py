"""How uvicorn is set up for a web process: our connections, our limits, nothing that says too much."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import uvicorn

from .connection import connections
from .crowd import Crowd, Limits
from .settings import Settings


def configuration(app: Any, settings: Settings) -> uvicorn.Config:
    """uvicorn's, for serving `app`."""
    tls: dict[str, Any] = {}
    if settings.tls_cert:
        tls = {"ssl_certfile": settings.tls_cert, "ssl_keyfile": settings.tls_key, "ssl_context_factory": _modern}
    connection, socket = connections(Crowd(Limits.of(settings)))
    return uvicorn.Config(
        app,
        interface="asgi3",
        http=connection,
        ws=socket,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # http/proxy.py reads them, under any server
        timeout_graceful_shutdown=round(settings.drain_timeout + 1),
        timeout_keep_alive=round(settings.keep_alive),
        ws_max_size=settings.message_limit,
        ws_per_message_deflate=False,  # a window of 32 KiB for each connection, for messages of 200 bytes
        **tls,
    )


def _modern(config: uvicorn.Config, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    context = make()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
