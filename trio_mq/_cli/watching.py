"""``trio-mq watch``: a live table of a program's sockets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, cast

import click
import trio

from trio_mq import Req, admin
from trio_mq._cli import arguments
from trio_mq._cli.outcome import Exit, Stop, run
from trio_mq.admin import Json

#: A request for what is shown, and no more.
_PEERS: Final = 20


@click.command(
    "watch",
    epilog=arguments.examples(
        "trio-mq watch",
        "trio-mq watch ipc:///run/user/1000/trio_mq/4711 --once",
        "trio-mq watch --json | jq '.sockets[].statistics.dropped_outgoing'",
    ),
)
@click.argument("endpoint", required=False)
@arguments.number("-i", "--interval", default=1.0, least=0.05, text="Seconds between two looks.")
@arguments.number("-t", "--timeout", default=5.0, text="Seconds that an answer may take.")
@click.option("--once", is_flag=True, help="Print one table and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one answer as JSON and end.")
def command(
    endpoint: str | None, *, interval: float, timeout: float, once: bool, as_json: bool
) -> None:
    """Watch the sockets of a program that runs trio_mq.admin.serve: peers, rates, queues, drops.

    Without ENDPOINT it is the only program of this user that serves at the default place.
    """
    place = endpoint or _only_one()

    async def main() -> None:
        async with Req(connect=place, linger=0) as req:
            first = await _ask(req, timeout)
            if as_json:
                click.echo(json.dumps(first, ensure_ascii=False, indent=2))
            elif once:
                _print(place, first)
            else:
                await _show(req, place, first, interval=interval, patience=timeout)

    run(main)


def _only_one() -> str:
    """Return the default endpoint of the only program that has one.

    Raises:
        click.UsageError: There is none, or there are several.
    """
    folder = Path(admin.default_endpoint().removeprefix("ipc://")).parent
    found = sorted(folder.glob("[0-9]*")) if folder.is_dir() else []
    if len(found) == 1:
        return f"ipc://{found[0]}"
    if not found:
        raise click.UsageError(f"no program of yours serves in {folder}: give an endpoint")
    places = ", ".join(f"ipc://{path}" for path in found)
    raise click.UsageError(f"several programs serve: give one of {places}")


async def _ask(req: Req, seconds: float) -> dict[str, Json]:
    with trio.move_on_after(seconds):
        reply = await req.request(json.dumps({"peers": _PEERS}).encode())
        try:
            answer: object = json.loads(bytes(reply[-1]))
        except ValueError:
            answer = None
        if isinstance(answer, dict) and isinstance(answer.get("sockets"), list):
            return cast("dict[str, Json]", answer)
        raise Stop(Exit.ERROR, "what answers there is not trio_mq.admin.serve")
    why = next((f": {each.last_error}" for each in req.endpoints if each.last_error), "")
    raise Stop(Exit.TIME_OUT, f"no answer within {seconds:g} s{why}")


def _print(place: str, answer: dict[str, Json]) -> None:
    from rich.console import Console  # noqa: PLC0415  # takes longer than most verbs

    from trio_mq._cli.picture import picture  # noqa: PLC0415  # the same

    Console().print(picture(place, answer, None))


async def _show(
    req: Req, place: str, first: dict[str, Json], *, interval: float, patience: float
) -> None:
    from rich.live import Live  # noqa: PLC0415  # as above

    from trio_mq._cli.picture import picture  # noqa: PLC0415  # as above

    before, now = first, first
    with Live(picture(place, first, None), auto_refresh=False) as live:
        while True:
            await trio.sleep(interval)
            before, now = now, await _ask(req, patience)
            live.update(picture(place, now, before), refresh=True)
