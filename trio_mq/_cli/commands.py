"""The command itself, with every verb."""

from __future__ import annotations

import logging
import sys

import click

from trio_mq._cli import cheat, keys, probe, relay, tape, verbs, watching
from trio_mq._cli.benching import command as bench
from trio_mq._cli.outcome import restore_signals


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each verb has examples in its --help; `trio-mq cheat` has all on one page.",
)
def group() -> None:
    """0MQ in the shell: talk to any socket, look at it, stand between two of them."""


for _verb in (
    probe.command,
    *verbs.COMMANDS,
    relay.command,
    watching.command,
    bench,
    tape.record,
    tape.replay,
    keys.command,
    cheat.cheat,
    cheat.version,
    cheat.completion,
):
    group.add_command(_verb)


def main() -> None:
    """Run what the command line says."""
    restore_signals()
    logging.basicConfig(level=logging.WARNING, format="trio-mq: %(message)s", stream=sys.stderr)
    group(prog_name="trio-mq")
