"""A network namespace with two ways in, `near` and `far`, and the scissors for them.

A database lives inside; nodes stay outside, on the loopback, and reach it by whichever way their URL names. What is cut
is dropped in silence, as networks do it: no reset, no error, nothing but waiting.
"""

from __future__ import annotations

import os
import random
import subprocess
from typing import Self

from tests.programs import program

RULES = """
table inet scissors {
    chain coming { type filter hook input priority 0; }
    chain going { type filter hook output priority 0; }
}
"""


class Network:
    """Needs root, iproute2 and nftables. `near` and `far` are the addresses inside."""

    def __init__(self) -> None:
        self._ip, self._nft = program("ip"), program("nft")
        number = random.SystemRandom().randrange(256)
        self.name = f"accepted-{os.getpid()}-{number}"
        self.near, self.far = f"10.231.{number}.2", f"10.232.{number}.2"
        self.inside = (self._ip, "netns", "exec", self.name)
        _run(self._ip, "netns", "add", self.name)
        try:
            _run(*self.inside, self._ip, "link", "set", "lo", "up")
            for way, address in (("near", self.near), ("far", self.far)):
                self._pave(f"ac{way[0]}{number}x{os.getpid() % 100_000}", way, address)
            _run(*self.inside, self._nft, "-f", "-", given=RULES)
        except BaseException:
            self.close()
            raise

    def _pave(self, outside: str, inside: str, address: str) -> None:
        _run(self._ip, "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", self.name)
        _run(self._ip, "address", "add", f"{address.rpartition('.')[0]}.1/24", "dev", outside)
        _run(self._ip, "link", "set", outside, "up")
        _run(*self.inside, self._ip, "address", "add", f"{address}/24", "dev", inside)
        _run(*self.inside, self._ip, "link", "set", inside, "up")

    def cut(self, *, coming: bool = True, going: bool = True) -> None:
        """The far way, in one direction or in both."""
        self._drop(*(["coming iifname far"] * coming), *(["going oifname far"] * going))

    def silence(self, port: int) -> None:
        """One connection, by the port of its far end: it stays open on both sides, and nothing passes any more."""
        self._drop(f"coming tcp sport {port}", f"going tcp dport {port}")

    def mend(self) -> None:
        """Everything passes again."""
        for chain in ("coming", "going"):
            _run(*self.inside, self._nft, "flush", "chain", "inet", "scissors", chain)

    def _drop(self, *what: str) -> None:
        for rule in what:
            _run(*self.inside, self._nft, "add", "rule", "inet", "scissors", *rule.split(), "drop")

    def close(self) -> None:
        """With the namespace its ends of the ways go, and so do the others."""
        subprocess.run([self._ip, "netns", "delete", self.name], check=False, capture_output=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _run(*command: str, given: str = "") -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, input=given)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
