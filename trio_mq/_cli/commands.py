"""The command itself, with every verb: each is loaded when it is asked for."""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Final

import click

from trio_mq._cli.outcome import restore_signals

#: Where each verb stands: the module, and its name there, unless it is one of the socket types.
_VERBS: Final = {
    "bench": ("benching", "command"),
    "cheat": ("cheat", "cheat"),
    "completion": ("cheat", "completion"),
    "keygen": ("keys", "command"),
    "probe": ("probe", "command"),
    "proxy": ("relay", "command"),
    "record": ("tape", "record"),
    "replay": ("tape", "replay"),
    "version": ("cheat", "version"),
    "watch": ("watching", "command"),
    **dict.fromkeys(
        ("dealer", "pair", "pub", "pull", "push", "rep", "req", "router", "sub", "xpub", "xsub"),
        ("verbs", None),
    ),
}


class _Verbs(click.Group):
    """The verbs, of which a command line needs one: the others are not even imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return their names, in order."""
        del ctx
        return sorted(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a verb; ``None`` if there is none of that name."""
        del ctx
        if cmd_name not in _VERBS:
            return None
        module, name = _VERBS[cmd_name]
        found = importlib.import_module(f"trio_mq._cli.{module}")
        command: click.Command = getattr(found, name) if name else found.COMMANDS[cmd_name]
        return command


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each verb has examples in its --help; `trio-mq cheat` has all on one page.",
)
def group() -> None:
    """0MQ in the shell: talk to any socket, look at it, stand between two of them."""


def main() -> None:
    """Run what the command line says."""
    restore_signals()
    logging.basicConfig(level=logging.WARNING, format="trio-mq: %(message)s", stream=sys.stderr)
    group(prog_name="trio-mq")
