"""``trio-mq record`` and ``replay``: what passed once passes again, with the same pauses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
import trio

from trio_mq import Pub, Sender, Socket, SocketType, XPub, open_socket
from trio_mq._cli import arguments
from trio_mq._cli.outcome import Exit, Stop, run
from trio_mq._cli.recording import read_all, record_into

_RECEIVERS: Final = ("SUB", "PULL", "DEALER", "PAIR", "XSUB")
_SENDERS: Final = ("PUB", "PUSH", "DEALER", "PAIR", "XPUB")


@click.command(
    "record",
    epilog=arguments.examples(
        "trio-mq record day.jsonl -c tcp://127.0.0.1:5556",
        "trio-mq record work.jsonl -b tcp://127.0.0.1:5557 --type PULL -n 1000",
    ),
)
@click.argument("file", type=click.Path(dir_okay=False))
@arguments.places
@click.option(
    "--type",
    "kind",
    type=click.Choice(_RECEIVERS, case_sensitive=False),
    default="SUB",
    show_default=True,
    help="What receives.",
)
@click.option("-s", "--subscribe", "topics", multiple=True, metavar="TOPIC", help="As for sub.")
@click.option("-n", "--count", type=click.IntRange(min=0), help="End after this many messages.")
def record(
    file: str,
    *,
    binds: Sequence[str],
    connects: Sequence[str],
    kind: str,
    topics: Sequence[str],
    count: int | None,
) -> None:
    """Write every message that comes into FILE, with its time, until interrupted.

    The file has a JSON object a line: t, the seconds since the first message, and frames.
    """
    arguments.require_place(binds, connects)
    wanted = [topic.encode() for topic in topics] or [b""]

    async def main() -> None:
        await record_into(
            file,
            SocketType(kind.upper()),
            binds=binds,
            connects=connects,
            count=count,
            topics=wanted,
        )

    run(main)


@click.command(
    "replay",
    epilog=arguments.examples(
        "trio-mq replay day.jsonl -b tcp://127.0.0.1:5556 --speed 10",
        "trio-mq replay work.jsonl -c tcp://127.0.0.1:5557 --type PUSH",
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@arguments.places
@click.option(
    "--type",
    "kind",
    type=click.Choice(_SENDERS, case_sensitive=False),
    default="PUB",
    show_default=True,
    help="What sends.",
)
@arguments.number("--speed", default=1.0, text="2 is twice as fast; 0 makes no pauses.")
@arguments.wait_peers(1)
def replay(
    file: Path,
    *,
    binds: Sequence[str],
    connects: Sequence[str],
    kind: str,
    speed: float,
    wait_peers: int,
) -> None:
    """Send the messages of a recording, with the pauses that were between them."""
    arguments.require_place(binds, connects)

    async def main() -> None:
        socket: Socket = open_socket(SocketType(kind.upper()), bind=binds, connect=connects)
        async with socket:
            assert isinstance(socket, Sender)  # noqa: S101  # the command offers no other
            if isinstance(socket, (Pub, XPub)):
                await socket.wait_for_subscribers(wait_peers)
            else:
                await socket.wait_for_peers(wait_peers)
            await _play(file, socket, speed)
            await socket.drain()

    run(main)


async def _play(file: Path, sender: Sender, speed: float) -> None:
    """Send what is in a file, each message in its time."""
    begun = trio.current_time()
    try:
        for recorded in read_all(file):
            if speed:
                await trio.sleep_until(begun + recorded.time / speed)
            await sender.send(recorded.frames)
    except ValueError as error:
        raise Stop(Exit.ERROR, f"{file}: {error}") from None
