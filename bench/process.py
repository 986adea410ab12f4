"""What /proc says of a process and its descendants: processor time, memory, who listens on a port.

Linux only, as the measuring is. Processor time comes in ticks of 10 ms, so rounds last seconds.
"""

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """The process and all its living descendants, parents first."""
    found = [pid]
    for parent in found:
        found += _children(parent)
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time that the process and its living descendants have used, user and system."""
    return sum(_ticks(each) for each in tree(pid)) / TICKS


def core_seconds(core: int) -> float:
    """Processor time that one core has spent on anything at all since the machine started."""
    for line in (PROC / "stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _idle, _iowait, irq, softirq, *_ = (int(field) for field in line.split()[1:])
            return (user + nice + system + irq + softirq) / TICKS
    raise LookupError(f"no core {core}")


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident set and proportional share (RSS, PSS) of one process, in MiB."""
    fields = {
        line.split(":")[0]: int(line.split()[1])
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        if line.endswith("kB")
    }
    return fields["Rss"] / 1024, fields["Pss"] / 1024


def listener(pid: int, port: int) -> int:
    """The process that serves the port: of those that hold its listening socket, the one that has worked most."""
    sockets = set(_listening(port))
    holders = [each for each in tree(pid) if sockets & set(_sockets(each))]
    if not holders:
        raise LookupError(f"nobody under process {pid} listens on port {port}")
    return max(holders, key=_ticks)


def pin(pid: int, *cores: int) -> None:
    """Move every thread of the process and of its descendants to these cores."""
    for each in tree(pid):
        for task in _entries(PROC / str(each) / "task"):
            os.sched_setaffinity(int(task.name), cores)


def _children(pid: int) -> list[int]:
    tasks = _entries(PROC / str(pid) / "task")
    return [int(child) for task in tasks for child in _read(task / "children").split()]


def _ticks(pid: int) -> int:
    fields = _read(PROC / str(pid) / "stat").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12]) if fields else 0


def _listening(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        for line in _read(PROC / "net" / table).splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                yield f"socket:[{fields[9]}]"


def _sockets(pid: int) -> Iterator[str]:
    for descriptor in _entries(PROC / str(pid) / "fd"):
        try:
            yield str(descriptor.readlink())
        except OSError:
            continue  # closed between the listing and the look


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
