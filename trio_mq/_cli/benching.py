"""``trio-mq bench``: how fast it is here, and pyzmq too if that is wanted."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import Final

import click
import trio

from trio_mq._cli import arguments
from trio_mq._cli.bench_peers import PEERS
from trio_mq._cli.outcome import Exit, Stop, run

_WORKS: Final = ("round-trips", "messages")


@click.command(
    "bench", epilog=arguments.examples("trio-mq bench", "trio-mq bench --against pyzmq --size 1024")
)
@click.option("--against", type=click.Choice(["pyzmq"]), help="Measure that library too, in turn.")
@arguments.number("--size", default=16, text="Bytes of a message.")
@arguments.number("--seconds", default=1.0, least=0.05, text="For each figure.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option("--be", nargs=4, hidden=True, metavar="LIBRARY WORK ROLE ENDPOINT")
def command(
    *,
    against: str | None,
    size: int,
    seconds: float,
    as_json: bool,
    be: tuple[str, str, str, str] | None,
) -> None:
    """Measure round trips and messages per second over tcp, between two processes.

    A glance, not a benchmark: both ends are of the same library, for a second each.
    """
    if be is not None:
        library, work, role, endpoint = be
        PEERS[library, work, role](endpoint, size, seconds)
        return
    libraries = ["trio_mq", *([against] if against else [])]
    if against and importlib.util.find_spec("zmq") is None:
        raise click.UsageError("pyzmq can't be found: pip install pyzmq")

    async def main() -> None:
        figures = {
            work: {library: await _measure(library, work, size, seconds) for library in libraries}
            for work in _WORKS
        }
        if as_json:
            click.echo(json.dumps({"size": size, "per_second": figures}))
            return
        for work, rates in figures.items():
            shown = "   ".join(f"{library} {rate:>10,.0f}/s" for library, rate in rates.items())
            click.echo(f"{work:<12} of {size} bytes   {shown}")

    run(main)


async def _measure(library: str, work: str, size: int, seconds: float) -> float:
    """Let two processes talk, and return the rate that one of them counted."""
    given = [sys.executable, "-m", "trio_mq", "bench", "--size", str(size)]
    given += ["--seconds", str(seconds), "--be", library, work]
    counter = await trio.lowlevel.open_process([*given, "count", "-"], stdout=subprocess.PIPE)
    try:
        assert counter.stdout is not None  # noqa: S101  # it was asked for
        said = bytearray()
        while b"\n" not in said:
            said += await _some(counter.stdout)
        endpoint, _, rest = bytes(said).partition(b"\n")
        sender = await trio.lowlevel.open_process([*given, "send", endpoint.decode()])
        try:
            while b"\n" not in rest:
                rest += await _some(counter.stdout)
        finally:
            await _end(sender)
    finally:
        await _end(counter)
    return float(rest)


async def _some(stream: trio.abc.ReceiveStream) -> bytes:
    data = bytes(await stream.receive_some())
    if not data:
        raise Stop(Exit.ERROR, "a process that was to be measured has ended")
    return data


async def _end(process: trio.Process) -> None:
    process.kill()
    if process.stdout is not None:
        await trio.aclose_forcefully(process.stdout)
    with trio.CancelScope(shield=True):
        await process.wait()
