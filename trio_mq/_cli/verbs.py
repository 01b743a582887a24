"""A verb for each socket type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NotRequired, TypedDict, Unpack

import click

from trio_mq import SocketType
from trio_mq._cli import arguments
from trio_mq._cli.formats import Format
from trio_mq._cli.outcome import run
from trio_mq._cli.plan import Plan
from trio_mq._cli.talking import talk

_T = SocketType
_SENDS: Final = {_T.REQ, _T.REP, _T.DEALER, _T.ROUTER, _T.PUB, _T.XPUB, _T.PUSH, _T.PAIR}
_ANSWERS: Final = {_T.REP, _T.ROUTER}
_SUBSCRIBES: Final = {_T.SUB, _T.XSUB}

_ABOUT: Final = {
    _T.REQ: (
        "Ask: each message is a request, and its reply is printed.",
        "echo hello | trio-mq req -c tcp://127.0.0.1:5555 -t 2",
        "trio-mq req -c tcp://127.0.0.1:5555 -D ping -n 5 -i 1",
    ),
    _T.REP: (
        "Answer: with the same (--echo), a text (-D), a command (--exec), or what stdin says.",
        "trio-mq rep -b tcp://127.0.0.1:5555 --echo",
        "trio-mq rep -b tcp://127.0.0.1:5555 --exec 'tr a-z A-Z'",
        "trio-mq rep -b tcp://127.0.0.1:5555 --exec 'sleep 1; date' --jobs 20",
    ),
    _T.DEALER: (
        "Send and receive side by side, with peers in turn.",
        "seq 10 | trio-mq dealer -c tcp://127.0.0.1:5558 --identity alice -t 1",
        "trio-mq dealer -c tcp://127.0.0.1:5558 -D hello -n 1",
    ),
    _T.ROUTER: (
        "Send to peers by name and receive from all; the first frame is the name.",
        "trio-mq router -b tcp://127.0.0.1:5558 --echo",
        "echo hello | trio-mq router -b tcp://127.0.0.1:5558 --to alice --wait-peers 1 -t 1",
    ),
    _T.PUB: (
        "Publish: every subscriber gets what begins with its topics.",
        "date | trio-mq pub -b tcp://127.0.0.1:5556 --wait-peers 1",
        "trio-mq pub -b tcp://127.0.0.1:5556 -D tick -i 1",
    ),
    _T.SUB: (
        "Subscribe: print what begins with a topic, or everything.",
        "trio-mq sub -c tcp://127.0.0.1:5556 -s weather -s traffic",
        "trio-mq sub -c tcp://127.0.0.1:5556 -n 10 -J",
    ),
    _T.XPUB: (
        "Publish, and print subscriptions (01 and the topic; 00 ends one).",
        "trio-mq xpub -b tcp://127.0.0.1:5556 --hex",
    ),
    _T.XSUB: (
        "Subscribe as a proxy does.",
        "trio-mq xsub -c tcp://127.0.0.1:5556 -s weather",
    ),
    _T.PUSH: (
        "Hand out work: each message goes to one peer.",
        "seq 10 | trio-mq push -c tcp://127.0.0.1:5557",
        "trio-mq push -b tcp://127.0.0.1:5557 -F picture.png --wait-peers 1",
    ),
    _T.PULL: (
        "Collect work from all peers, and print it.",
        "trio-mq pull -b tcp://127.0.0.1:5557 -n 10",
        "trio-mq pull -b tcp://127.0.0.1:5557 -0 | xargs -0 -n1 echo",
    ),
    _T.PAIR: (
        "Talk to one peer, in both directions.",
        "trio-mq pair -b tcp://127.0.0.1:5559",
        "trio-mq pair -c tcp://127.0.0.1:5559",
    ),
}

_data: Final = arguments.all_of(
    click.option(
        "-D", "--data", metavar="TEXT", help="The message, in the format (default: stdin)."
    ),
    click.option(
        "-F",
        "--file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="The message: the whole file is one frame.",
    ),
    click.option(
        "-i",
        "--interval",
        type=click.FloatRange(min=0),
        help="Seconds between two messages; -D is repeated.",
    ),
)
_always: Final = arguments.all_of(
    click.option("-n", "--count", type=click.IntRange(min=0), help="End after this many messages."),
    click.option(
        "-t", "--timeout", type=click.FloatRange(min=0), help="Seconds that each wait may take."
    ),
    arguments.wait_peers(0),
)
_answers: Final = arguments.all_of(
    click.option("--echo", is_flag=True, help="Answer with what was asked."),
    click.option(
        "--exec",
        "command",
        metavar="CMD",
        help="Answer with what CMD prints; it reads the request.",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="How many of CMD may run at once; replies come as they are ready.",
    ),
)
_topics: Final = click.option(
    "-s",
    "--subscribe",
    "topics",
    multiple=True,
    metavar="TOPIC",
    help="What to subscribe to; repeatable (default: everything).",
)
_to: Final = click.option(
    "--to", metavar="NAME", help="Send to this peer: messages have no name of their own."
)


class _Given(TypedDict):
    """What click passes to a verb."""

    binds: Sequence[str]
    connects: Sequence[str]
    data: NotRequired[str | None]
    file: NotRequired[Path | None]
    interval: NotRequired[float | None]
    count: int | None
    timeout: float | None
    wait_peers: int
    echo: NotRequired[bool]
    command: NotRequired[str | None]
    jobs: NotRequired[int]
    topics: NotRequired[Sequence[str]]
    to: NotRequired[str | None]
    identity: str | None
    settings: Sequence[str]
    username: str | None
    password: str | None
    passwords: Path | None
    key: Path | None
    server_key: str | None
    allow: str | None
    format_: str
    verbose: bool


def _verb(kind: SocketType) -> click.Command:
    """Return the command for a socket type, with the options that it has a use for."""

    def verb(**given: Unpack[_Given]) -> None:
        plan = _plan(kind, given)
        run(lambda: talk(plan))

    about, *examples = _ABOUT[kind]
    decorators: list[Callable[..., Callable[..., object]]] = [arguments.places]
    if kind in _SENDS:
        decorators.append(_data)
    decorators.append(_always)
    if kind in _ANSWERS:
        decorators.append(_answers)
    if kind in _SUBSCRIBES:
        decorators.append(_topics)
    if kind is _T.ROUTER:
        decorators.append(_to)
    decorators += [arguments.tuning, arguments.security, arguments.formats, arguments.verbose]
    function: Callable[..., object] = verb
    for decorate in reversed(decorators):
        function = decorate(function)
    name, end = kind.value.lower(), arguments.examples(*examples)
    return click.command(name, help=about, epilog=end)(function)


def _plan(kind: SocketType, given: _Given) -> Plan:
    """Read what click has found.

    Raises:
        click.UsageError: The options don't go together.
    """
    arguments.require_place(given["binds"], given["connects"])
    format_ = Format(given["format_"])
    to = given.get("to")
    plan = Plan(
        kind=kind,
        binds=given["binds"],
        connects=given["connects"],
        options={
            **arguments.options_of(given["identity"], given["settings"]),
            **arguments.credentials(
                username=given["username"],
                password=given["password"],
                passwords=given["passwords"],
                key=given["key"],
                server_key=given["server_key"],
                allow=given["allow"],
            ),
        },
        format_=format_,
        payload=_payload(format_, given.get("data"), given.get("file")),
        count=given["count"],
        interval=given.get("interval"),
        timeout=given["timeout"],
        topics=[topic.encode() for topic in given.get("topics", ())],
        to=None if to is None else to.encode(),
        echo=given.get("echo", False),
        command=given.get("command"),
        jobs=given.get("jobs", 1),
        wait_peers=given["wait_peers"],
        verbose=given["verbose"],
    )
    arguments.checked(plan.open)
    return plan


def _payload(format_: Format, data: str | None, file: Path | None) -> list[bytes] | None:
    if data is not None and file is not None:
        raise click.UsageError("give -D TEXT or -F FILE, not both")
    if file is not None:
        return [file.read_bytes()]
    if data is None:
        return None
    return arguments.checked(lambda: format_.decode(data.encode("utf-8", "surrogateescape")))


COMMANDS: Final = {kind.value.lower(): _verb(kind) for kind in SocketType}
