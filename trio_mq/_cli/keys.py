"""``trio-mq keygen``: keys of CURVE."""

from __future__ import annotations

import json
from pathlib import Path

import click

from trio_mq._cli import arguments
from trio_mq.auth.__main__ import make_keys


@click.command(
    "keygen",
    epilog=arguments.examples("trio-mq keygen server --folder keys", "trio-mq keygen --json"),
)
@click.argument("name", default="key")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write NAME.key and NAME.key_secret there, and print only the public half.",
)
@click.option("--overwrite", is_flag=True, help="Replace files of that name, if there are any.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def command(name: str, folder: Path | None, *, overwrite: bool, as_json: bool) -> None:
    """Make a pair of CURVE keys, and print it or write certificate files."""
    try:
        said = make_keys(name, folder, overwrite=overwrite)
    except (ImportError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(
        json.dumps(said) if as_json else "\n".join(f"{key}: {text}" for key, text in said.items())
    )
