"""The command line. Each command is loaded when it is asked for, so that `accepted --help` starts at once.

Exit codes: 0 fine, 2 bad usage or refused configuration, 1 failure; those that speak to a server say more by theirs
(command/remote.py).
"""

from __future__ import annotations

import importlib
from typing import NamedTuple

import click

from .version import VERSION


class _Entry(NamedTuple):
    """Where a command is, and its line in `accepted --help`; without a line it is hidden."""

    module: str
    line: str


COMMANDS: dict[str, _Entry] = {
    "serve": _Entry("server", "Serve an app: a web process and worker processes."),
    "worker": _Entry("server", "Run an app's operations in this process, without HTTP."),
    "web": _Entry("server", ""),
    "demo": _Entry("server", "Serve the demo: reports, imports and exports on grocery transactions."),
    "submit": _Entry("order", "Start an operation on a server."),
    "watch": _Entry("watch", "Follow operations to their end."),
    "get": _Entry("look", "Say how operations are."),
    "list": _Entry("look", "List operations, newest first."),
    "logs": _Entry("look", "Print an operation's log, and follow it."),
    "download": _Entry("look", "Bring a result into a file."),
    "cancel": _Entry("order", "Cancel operations."),
    "retry": _Entry("order", "Do again what failed or was cancelled."),
    "migrate": _Entry("database", "Bring a database's schema up to date."),
    "check-history": _Entry("history", "Hold what clients saw and functions did against the guarantees."),
    "reseal": _Entry("secret", "Seal the secrets of webhooks with a new key."),
    "keys": _Entry("keys", "Make, list, replace and revoke API keys."),
    "doctor": _Entry("database", "Say what is wrong with a set-up."),
    "verify": _Entry("verify", "Hold any server against the pattern, and say which level it reaches."),
}


_FUNCTIONS = {"list": "list_operations"}  # where the command's name is already that of something else


class _Commands(click.Group):
    """A group whose commands are in files of `command/`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f".command.{COMMANDS[cmd_name].module}", __package__)
        command: click.Command = getattr(module, _FUNCTIONS.get(cmd_name, cmd_name.replace("-", "_")))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.line) for name, entry in COMMANDS.items() if entry.line])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="accepted")
def main() -> None:
    """Asynchronous operations over HTTP."""


if __name__ == "__main__":
    main()
