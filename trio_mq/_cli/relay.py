"""``trio-mq proxy``: stand between two sockets, and copy and count what passes if asked to."""

from __future__ import annotations

import sys
from functools import partial
from typing import Final

import click
import trio

from trio_mq import Pub, Push, Receiver, Sender, Socket, SocketType, open_socket, proxy
from trio_mq._cli import arguments
from trio_mq._cli.outcome import run
from trio_mq._cli.recording import record_into

_KINDS: Final = {
    "queue": (SocketType.ROUTER, SocketType.DEALER),
    "forwarder": (SocketType.XSUB, SocketType.XPUB),
    "streamer": (SocketType.PULL, SocketType.PUSH),
}


@click.command(
    "proxy",
    epilog=arguments.examples(
        "trio-mq proxy tcp://127.0.0.1:5555 ipc:///run/workers",
        "trio-mq proxy --kind forwarder '>tcp://10.0.0.7:5556' tcp://127.0.0.1:5556 --stats 1",
        "trio-mq proxy tcp://127.0.0.1:5555 tcp://127.0.0.1:5560 --capture day.jsonl",
    ),
)
@click.argument("front")
@click.argument("back")
@click.option(
    "--kind",
    type=click.Choice(list(_KINDS)),
    default="queue",
    show_default=True,
    help="Router and Dealer; XSub and XPub; Pull and Push.",
)
@click.option(
    "--capture",
    metavar="ENDPOINT|FILE",
    help="Publish a copy of every message there, or record it in a file.",
)
@click.option(
    "--stats", type=click.FloatRange(min=0.01), metavar="SECONDS", help="Print rates to stderr."
)
def command(front: str, back: str, *, kind: str, capture: str | None, stats: float | None) -> None:
    """Forward every message between FRONT and BACK, until interrupted.

    Both listen; write a > before an endpoint to connect there instead.
    """

    async def main() -> None:
        ours, theirs = (open_socket(each) for each in _KINDS[kind])
        async with ours, theirs, trio.open_nursery() as nursery:
            assert isinstance(ours, Receiver)  # noqa: S101  # by the table of kinds
            assert isinstance(theirs, Sender)  # noqa: S101  # as above
            await _open(ours, front)
            await _open(theirs, back)
            if stats is not None:
                nursery.start_soon(_tell_rates, ours, theirs, stats)
            if capture is None:
                await proxy(ours, theirs)
            elif "://" in capture:
                async with Pub() as copy:
                    await _open(copy, capture)
                    await proxy(ours, theirs, copy)
            else:
                async with Push(connect=_CAPTURE) as copy:
                    await nursery.start(
                        partial(record_into, capture, SocketType.PULL, binds=[_CAPTURE])
                    )
                    await proxy(ours, theirs, copy)

    run(main)


_CAPTURE: Final = "inproc://capture"


async def _open(socket: Socket, place: str) -> None:
    if place.startswith(">"):
        await socket.connect(place.removeprefix(">"))
        return
    bound = await socket.bind(place.removeprefix("@"))
    if bound != place:
        click.echo(f"{type(socket).__name__} listens on {bound}", err=True)


@trio.lowlevel.enable_ki_protection
async def _tell_rates(front: Socket, back: Socket, seconds: float) -> None:
    """Print the rates in each direction, again and again."""
    before = (0, 0, 0)
    while True:
        await trio.sleep(seconds)
        ours, theirs = front.statistics(), back.statistics()
        dropped = sum(ours.dropped.values()) + sum(theirs.dropped.values())
        now = (ours.delivered, theirs.delivered, dropped)
        there, again, lost = (new - old for new, old in zip(now, before, strict=True))
        before = now
        sys.stderr.write(
            f"{there / seconds:,.0f}/s to the back, {again / seconds:,.0f}/s to the front, "
            f"{lost} dropped; {len(front.peers)} and {len(back.peers)} peers\n"
        )
        sys.stderr.flush()
