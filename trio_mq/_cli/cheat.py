"""``trio-mq cheat``, ``version`` and ``completion``: what one needs to know, on one page."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Final

import click
import trio
from click.shell_completion import get_completion_class

from trio_mq._cli import arguments, formats
from trio_mq._cli.outcome import CODES

_PATTERNS: Final = r"""
Ask and answer
  trio-mq rep -b tcp://127.0.0.1:5555 --echo
  trio-mq rep -b tcp://127.0.0.1:5555 --exec 'tr a-z A-Z'
  echo hello | trio-mq req -c tcp://127.0.0.1:5555 -t 2

Publish and subscribe
  trio-mq sub -c tcp://127.0.0.1:5556 -s weather
  date | trio-mq pub -b tcp://127.0.0.1:5556 --wait-peers 1

Hand out work
  trio-mq pull -b tcp://127.0.0.1:5557 -n 10
  seq 10 | trio-mq push -c tcp://127.0.0.1:5557

Address a client of a Router
  trio-mq router -b tcp://127.0.0.1:5558 --to alice
  trio-mq dealer -c tcp://127.0.0.1:5558 --identity alice

Look
  trio-mq probe tcp://127.0.0.1:5555
  trio-mq watch
  trio-mq record day.jsonl -c tcp://127.0.0.1:5556

Endpoints
  tcp://host:port  tls://host:port  ipc://path  ipc://@abstract  tcp://127.0.0.1:* (any port)
"""


@click.command("cheat")
def cheat() -> None:
    """Print patterns, formats and exit codes on one page."""
    table = (formats.__doc__ or "").partition("\n\n")[2].replace("``", "")
    codes = "\n".join(f"  {code.value:<4} {text}" for code, text in CODES.items())
    click.echo(f"{_PATTERNS.strip()}\n\nFormats\n{table.strip()}\n\nExit codes\n{codes}")


@click.command("version")
def version() -> None:
    """Print the versions of trio_mq and of what it is built on."""
    click.echo(f"trio-mq {importlib.metadata.version('trio-mq')}")
    click.echo("ZMTP    3.1")
    click.echo(f"trio    {trio.__version__}")
    click.echo(f"PyNaCl  {_installed('pynacl')}")
    click.echo(f"Python  {platform.python_version()} ({platform.python_implementation()})")
    click.echo(f"system  {platform.system()} {platform.release()} {platform.machine()}")


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing: no CURVE"


@click.command(
    "completion",
    epilog=arguments.examples(
        "trio-mq completion bash > ~/.local/share/bash-completion/completions/trio-mq",
        'trio-mq completion zsh > "${fpath[1]}/_trio-mq"',
        "trio-mq completion fish > ~/.config/fish/completions/trio-mq.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that completes verbs and options in a shell."""
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101  # the choice has only those that there are
    group = context.find_root().command
    click.echo(made(group, {}, "trio-mq", "_TRIO_MQ_COMPLETE").source())
