"""Streams on which nothing happens: memory of each against a bare one, and the processor time of many.

Every stream follows an operation of its own, which waits in the queue: nothing is shared that need not be. Memory is
what the process grows by, resident, from after a first few that came and went; the kernel's buffers are not in it.
"""

import time
from collections.abc import Sequence

from bench import follow, live, ours, process
from bench.figure import Figure, Result, figure
from bench.server import Server
from bench.setting import Setting

STREAMS = 2_000
MANY = 10_000
WATCHED_SECONDS = 30.0


def measure(setting: Setting) -> Result:
    """Memory as ratios, processor time as a share of a core."""
    grown: dict[str, list[float]] = {}
    for _ in range(setting.rounds):
        for name, kib in _round(setting).items():
            grown.setdefault(name, []).append(kib)
    figures = [
        _memory("SSE stream", grown["Accepted"], grown["bare"], 11.5),
        _memory("WebSocket", grown["Accepted, WebSocket"], grown["bare, WebSocket"], 29.6),
        _busy(setting),
    ]
    notes = [
        f"idle: {name}: {min(values):.1f} to {max(values):.1f} KiB a stream, n = {len(values)}"
        for name, values in grown.items()
    ]
    return Result(figures, notes=notes)


def _memory(what: str, accepted: list[float], bare: list[float], known: float) -> Figure:
    rounds = [one / other for one, other in zip(accepted, bare, strict=True)]
    return figure(
        rounds,
        quantity="idle",
        what=f"memory of an idle {what} / bare on uvicorn ({known} KiB elsewhere)",
        floor=2.0,
        aim=1.5,
        smaller=True,
    )


def _round(setting: Setting) -> dict[str, float]:
    """KiB that each kind of stream costs; a fresh server for each, for memory that was used once is not given back."""
    found = {}
    with setting.directory() as directory:
        for suffix, socket in (("", False), (", WebSocket", True)):
            with Server(ours.live(directory, "bare"), setting.server_core) as server:
                path = live.SOCKET if socket else live.STREAM
                found[f"bare{suffix}"] = _grown(server, [path], setting, socket=socket)
            with Server(ours.serve(directory, workers=0), setting.server_core) as server:
                paths = _paths(server, STREAMS, setting, socket=socket)
                found[f"Accepted{suffix}"] = _grown(server, paths, setting, socket=socket)
    return found


def _grown(server: Server, paths: Sequence[str], setting: Setting, *, socket: bool) -> float:
    pid = server.web_pid()
    with follow.following(_spec(server, paths, 200, setting, socket=socket)):
        pass
    before, _ = process.memory_mib(pid)
    with follow.following(_spec(server, paths, STREAMS, setting, socket=socket)):
        after, _ = process.memory_mib(pid)
    return (after - before) * 1024 / STREAMS


def _busy(setting: Setting) -> Figure:
    count = setting.count(MANY)
    with setting.directory() as directory, Server(ours.serve(directory, workers=0), setting.server_core) as server:
        paths = _paths(server, count, setting, socket=False)
        pid = server.web_pid()
        with follow.following(_spec(server, paths, count, setting, socket=False)):
            time.sleep(2)  # until what opening them has stirred up lies still
            began, used = time.monotonic(), process.cpu_seconds(pid)
            time.sleep(WATCHED_SECONDS)
            share = (process.cpu_seconds(pid) - used) / (time.monotonic() - began) * 100
    what = f"{count:,} idle streams: processor of the web process"
    return figure([share], quantity="idle", what=what, unit="%", floor=2.0, aim=1.0, smaller=True)


def _paths(server: Server, count: int, setting: Setting, *, socket: bool) -> list[str]:
    end = "status" if socket else "stream"
    return [f"{path}/{end}" for path in ours.fill(server, count, setting.load_core).locations]


def _spec(server: Server, paths: Sequence[str], count: int, setting: Setting, *, socket: bool) -> follow.Spec:
    return follow.Spec(port=server.port, paths=list(paths), followers=count, socket=socket, core=setting.load_core)
