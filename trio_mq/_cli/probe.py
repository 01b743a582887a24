"""``trio-mq probe``: what is at an endpoint, and why nothing arrives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from trio_mq import Options, SocketType
from trio_mq._cli import arguments
from trio_mq._cli.outcome import Exit, Stop, run
from trio_mq._cli.probing import Outcome, Report, probe, shown
from trio_mq._transports.schemes import parse_connect

_CODES: Final = {
    Outcome.READY: Exit.DONE,
    Outcome.UNRESOLVED: Exit.ERROR,
    Outcome.UNREACHABLE: Exit.ERROR,
    Outcome.SILENT: Exit.TIME_OUT,
}


@click.command(
    "probe",
    epilog=arguments.examples(
        "trio-mq probe tcp://example.com:5555",
        "trio-mq probe tcp://127.0.0.1:5555 --type SUB",
        "trio-mq probe ipc:///run/service --json | jq .outcome",
        "trio-mq probe tcp://10.0.0.7:5555 --server-key server.key",
    ),
)
@click.argument("endpoint")
@click.option(
    "--type",
    "kind",
    type=click.Choice([each.value for each in SocketType], case_sensitive=False),
    help="Introduce ourselves as this; without it, find out what is there and take nothing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option("-t", "--timeout", type=float, default=5.0, show_default=True, help="Seconds a step.")
@click.option("--identity", metavar="NAME", help="The name by which a Router knows us.")
@arguments.security
def command(
    endpoint: str,
    kind: str | None,
    *,
    as_json: bool,
    timeout: float,
    identity: str | None,
    username: str | None,
    password: str | None,
    passwords: Path | None,
    key: Path | None,
    server_key: str | None,
    allow: str | None,
) -> None:
    """Look at an endpoint step by step, and say why nothing arrives.

    Name resolution, connection, greeting, mechanism, socket type, identity, metadata, round trip.
    """
    options = arguments.credentials(
        username=username,
        password=password,
        passwords=passwords,
        key=key,
        server_key=server_key,
        allow=allow,
    )
    if identity is not None:
        options["routing_id"] = identity.encode()
    settings = arguments.checked(lambda: Options(**options))  # type: ignore[arg-type]
    parsed = arguments.checked(lambda: parse_connect(endpoint))

    async def main() -> None:
        report = await probe(
            endpoint,
            parsed,
            options=settings,
            socket_type=None if kind is None else SocketType(kind.upper()),
            seconds=timeout,
        )
        if as_json:
            click.echo(json.dumps(report.as_json(), ensure_ascii=False))
        else:
            click.echo("\n".join(_lines(report)))
        raise Stop(_CODES.get(report.outcome, Exit.REFUSED))

    run(main)


def _lines(report: Report) -> Iterator[str]:
    """Yield the report as lines for people, in the order in which things were found."""
    if report.addresses:
        yield _line("name", f"{', '.join(report.addresses)}{_took(report.resolve_seconds)}")
    if report.address is not None:
        yield _line("connection", f"{report.address}{_took(report.connect_seconds)}")
    if report.version is not None:
        yield _line("greeting", f"ZMTP {report.version[0]}.{report.version[1]}")
        yield _line("mechanism", str(report.mechanism))
    if report.socket_type is not None:
        yield _line("type", report.socket_type)
    if report.identity:
        yield _line("identity", shown(report.identity))
    for name, value in report.metadata.items():
        yield _line(shown(name.encode()), shown(value))
    if report.round_trip_seconds is not None:
        yield _line("round trip", f"{report.round_trip_seconds * 1000:.2f} ms")
    yield _line(report.outcome.value, report.reason or "messages can flow")


def _line(name: str, text: str) -> str:
    return f"{name + ':':<14}{text}"


def _took(seconds: float | None) -> str:
    return "" if seconds is None else f"  ({seconds * 1000:.1f} ms)"
