"""The mistakes that everybody makes once: each is refused, by a type and with a text that helps.

A text names the thing, the value and the remedy. The table is input, type, and what the text must
name; a new mistake that somebody met is a line here.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import os
import re
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
import trio
import trio.testing

import trio_mq
from trio_mq import (
    Message,
    MessageTooLarge,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Router,
    StateError,
    Sub,
    Unroutable,
    open_socket,
    proxy,
)

Mistake: TypeAlias = Callable[[], Awaitable[object]]


def made(kind: Callable[..., object], *args: object, **options: object) -> Mistake:
    """Only make a thing."""

    async def make() -> object:
        await trio.lowlevel.checkpoint()
        return kind(*args, **options)

    return make


def bound(endpoint: str, **options: Any) -> Mistake:  # noqa: ANN401  # as the keywords are
    """Bind a Pull."""

    async def bind() -> None:
        async with Pull() as pull:
            await pull.bind(endpoint, **options)

    return bind


def called(kind: Callable[[], Any], method: str, *args: object) -> Mistake:
    """Call a method of an open socket."""

    async def call() -> None:
        async with kind() as thing:
            result = getattr(thing, method)(*args)
            if isinstance(result, Awaitable):
                await result

    return call


def got(kind: Callable[[], object], name: str) -> Mistake:
    """Ask for an attribute."""
    return made(lambda: getattr(kind(), name))


async def unopened() -> None:
    """Use a socket that is in no block."""
    await Push().send(b"x")


async def after_its_block() -> None:
    """Use a socket whose block is over."""
    async with Push() as push:
        pass
    await push.send(b"x")


async def two_blocks() -> None:
    """Enter a socket for the second time."""
    push = Push()
    async with push:
        pass
    async with push:
        pass


async def two_requests() -> None:
    """Send twice with a Req."""
    async with Req(connect="inproc://rep", linger=0) as req:
        await req.send(b"x")
        await req.send(b"y")


async def bound_twice() -> None:
    """Bind an address that is taken."""
    async with Pull() as pull, Pull() as other:
        await other.bind(await pull.bind("tcp://127.0.0.1:*"))


async def push_to_push() -> None:
    """Let a proxy stand between two that only send."""
    async with Push() as one, Push() as other:
        await proxy(one, other)


async def huge() -> None:
    """Send more than a frame may have."""
    async with Push(max_frame_size=1000, connect="inproc://x", linger=0) as push:
        await push.send(bytes(2000))


async def refused() -> None:
    """Connect to where nobody listens."""
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    async with Req() as req:
        await req.connect(f"tcp://127.0.0.1:{port}", wait=True)


def single(kind: Callable[..., object], **options: object) -> Callable[[], object]:
    """Return what makes it."""
    return partial(kind, **options)


AN_ENDPOINT: Final = "tcp://host:port, tls://host:port, ipc://path or inproc://name"

MISTAKES: Final[dict[str, tuple[Mistake, type[Exception], str]]] = {
    # -- options --
    "sndhwm=": (made(Push, sndhwm=1), TypeError, "Push has no option 'sndhwm'; give send_hwm=…"),
    "a slip": (made(Push, heartbeat_intervall=1), TypeError, "do you mean heartbeat_interval "),
    "timeout=": (made(Push, timeout=1), TypeError, "'timeout'; put .*trio.fail_after"),
    "topic=": (made(Sub, topic="a"), TypeError, "'topic'; give topics=…"),
    "rcvtimeo=": (made(Push, rcvtimeo=1), TypeError, "trio.fail_after"),
    "another type's": (made(Push, on_full="block"), TypeError, "'on_full'; .* of Router, Pub and"),
    "hwm of 0": (made(Push, send_hwm=0), ValueError, "send_hwm=0 .* from 1 on, or None"),
    "hwm as text": (made(Push, send_hwm="5"), TypeError, "send_hwm is a whole number .* not '5'"),
    "linger of None": (made(Push, linger=None), TypeError, "linger is seconds .*math.inf.* None"),
    "linger of -1": (made(Push, linger=-1), ValueError, "linger=-1 .*math.inf for no end"),
    "a mechanism by name": (
        made(Push, mechanism="CURVE"),
        TypeError,
        "is an object such as .*not str",
    ),
    "another's context": (made(Push, context=object()), TypeError, "a trio_mq.Context, not <obj"),
    "an argument in place": (made(Push, "tcp://x:1"), TypeError, "positional"),
    "no such type": (made(open_socket, "STREAM"), ValueError, "'STREAM'; known are REQ, REP"),
    "a type by number": (made(open_socket, 8), ValueError, "no socket type 8; known are REQ"),
    # -- endpoints --
    "another scheme": (made(Push, bind="http://x:1"), ValueError, f"'http'.*{AN_ENDPOINT}"),
    "udp": (made(Push, bind="udp://x:1"), ValueError, f"'udp'.*{AN_ENDPOINT}"),
    "no scheme": (made(Push, connect="localhost:5555"), ValueError, f"no '://'.*{AN_ENDPOINT}"),
    "no port": (
        made(Push, connect="tcp://localhost"),
        ValueError,
        "port is missing in 'localhost'",
    ),
    "connect to *": (made(Push, connect="tcp://*:5"), ValueError, r"\* is for bind"),
    "port 70000": (made(Push, bind="tcp://*:70000"), ValueError, "'70000': .* 0 to 65535"),
    "an endpoint of bytes": (made(Push, connect=b"tcp://x:1"), TypeError, "connect .*b'tcp://x:1'"),
    "bytes in a list": (made(Push, connect=[b"tcp://x:1"]), TypeError, "a str .*b'tcp://x:1'"),
    "a port alone": (made(Push, bind=5555), TypeError, "bind is an endpoint .*, not 5555"),
    "None for nothing": (made(Push, bind=None), TypeError, "bind is an endpoint .*, not None"),
    "link-local without scope": (
        made(Push, connect="tcp://[fe80::9]:5"),
        ValueError,
        r"'fe80::9' is on every link: .*\[fe80::9%eth0\]",
    ),
    "a long path": (bound("ipc:///tmp/" + "x" * 200), ValueError, "205 bytes long; .* up to 10"),
    "no such interface": (
        bound("tcp://eth77:5555"),
        socket.gaierror,
        "'eth77' is not a name that has an address, nor an interface .there are .*lo",
    ),
    "another host's address": (
        bound("tcp://192.0.2.1:5999"),
        OSError,
        "cannot listen on tcp://192.0.2.1:5999: .*assign",
    ),
    "no folder": (
        bound("ipc:///nonexistent/dir/sock"),
        FileNotFoundError,
        "ipc:///nonexistent/dir/sock: there is no folder '/nonexistent/dir': make it first$",
    ),
    "a file as a folder": (
        bound(f"ipc://{os.devnull}/sock"),
        NotADirectoryError,
        f"'{os.devnull}' is not a folder",
    ),
    "in use": (bound_twice, OSError, "cannot listen on tcp://127.0.0.1:[0-9]+: .*in use"),
    "nobody listens": (refused, ConnectionRefusedError, "cannot connect to tcp://127.0.0.1:"),
    "unbind what is not bound": (
        called(Pull, "unbind", "tcp://x:1"),
        ValueError,
        "tcp://x:1 is not bound; bound are: none",
    ),
    # -- topics --
    "no topics": (made(Sub, topics=None), TypeError, "topics is .*not None; '' is everything"),
    "a number as topics": (made(Sub, topics=5), TypeError, "topics is .*not 5"),
    "a number as a topic": (made(Sub, topics=[5]), TypeError, "a topic is bytes or text, not 5"),
    "subscribe(5)": (called(Sub, "subscribe", 5), TypeError, "a topic is bytes or text, not 5"),
    "unsubscribe": (called(Sub, "unsubscribe", "a"), ValueError, "'a' is not subscribed to"),
    "wait for a number": (
        called(Pub, "wait_for_subscribers", 1, 5),
        TypeError,
        "a topic is bytes or text, not 5",
    ),
    # -- messages --
    "several at once, but one": (
        called(Push, "send_many", b"abc"),
        TypeError,
        "several messages, as in a list, not bytes: for one message there is send",
    ),
    "nothing at once": (called(Push, "send_many", None), TypeError, "not NoneType"),
    "peers that are no number": (
        called(Pull, "wait_for_peers", "1"),
        TypeError,
        "n is a whole number, not '1'",
    ),
    "a peer by its name": (
        called(trio_mq.XPub, "accept", b"name", "topic"),
        TypeError,
        r"peer is a trio_mq.Peer, as receive_from\(\) returns it, not b'name'",
    ),
    "text": (called(Push, "send", "text"), TypeError, "bytes, not text: encode 'text' first"),
    "no frames": (called(Push, "send", []), ValueError, "at least one frame; send b''"),
    "a number as a frame": (called(Push, "send", [b"a", 1]), TypeError, "frame 1 is int"),
    "None": (called(Push, "send", None), TypeError, "not NoneType"),
    "too large": (huge, MessageTooLarge, "2000 bytes exceeds max_frame_size=1000: raise"),
    "text of two": (
        got(single(Message, frames=[b"a", b"b"]), "text"),
        ValueError,
        r"\.text .* has 2",
    ),
    "bytes of two": (made(lambda: bytes(Message([b"a", b"b"]))), ValueError, r"bytes\(\) .* has 2"),
    "text of what is none": (
        got(single(Message, frames=b"\xff"), "text"),
        UnicodeDecodeError,
        "utf",
    ),
    # -- turns --
    "a reply to nobody": (called(Rep, "send", b"x"), StateError, "receive a request first"),
    "two requests": (two_requests, StateError, r"receives the reply .*request\(\)"),
    "a reply to nothing": (called(Req, "receive"), StateError, "sends a request before"),
    "no such peer": (
        called(single(Router, mandatory=True), "send", [b"who", b"y"]),
        Unroutable,
        "cannot route to b'who': no peer",
    ),
    "no routing id": (called(Router, "send", b"y"), ValueError, r"\[routing_id, body\]"),
    "a proxy of two senders": (push_to_push, ValueError, "nothing can flow between .*Push.*Router"),
    # -- blocks --
    "before its block": (unopened, RuntimeError, "is not open: use it inside 'async with'"),
    "after its block": (after_its_block, trio.ClosedResourceError, "this Push was closed"),
    "two blocks": (two_blocks, RuntimeError, "used before: make a new socket"),
    # -- pyzmq's --
    "setsockopt": (got(Push, "setsockopt"), AttributeError, "options as keywords"),
    "recv": (got(Pull, "recv"), AttributeError, r"await socket.receive\(\)"),
    "set an option": (
        made(lambda: setattr(Push(), "linger", 0)),
        AttributeError,
        r"Push\(linger=…",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
async def test_a_mistake_is_refused_with_what_to_do(name: str) -> None:
    """By its type, and a text that names the thing, the value and the remedy."""
    mistake, kind, says = MISTAKES[name]
    with pytest.raises(kind, match=re.compile(says, re.DOTALL)):
        await mistake()


def test_another_event_loop_is_named() -> None:
    """With the two ways to have trio."""

    async def main() -> None:
        async with Push():
            pass

    with pytest.raises(RuntimeError, match=r"runs on trio.*trio\.run\(main\).*guest mode"):
        asyncio.run(main())


def test_a_plain_with_is_refused() -> None:
    """By Python itself, which names what is missing."""
    with pytest.raises(TypeError, match=r"Push.*context manager"), Push():  # type: ignore[attr-defined]
        pass


# -- files of others --


@pytest.mark.parametrize("step", ["ask", "remove"])
async def test_a_file_that_another_user_left_is_not_called_in_use(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said whose it is, and what to do."""
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    if step == "ask":
        monkeypatch.setattr("trio_mq._transports.ipc._ask", lambda _: errno.EACCES)
    else:
        monkeypatch.setattr(Path, "unlink", forbidden)
    async with Pull() as pull:
        with pytest.raises(PermissionError, match=r"cannot listen on ipc://.*user \w+.*removed"):
            await pull.bind(f"ipc://{path}")
    monkeypatch.undo()
    assert path.exists()


# -- what the log says of drops --


async def test_drops_are_logged_once_a_second_with_their_number(
    caplog: pytest.LogCaptureFixture, autojump_clock: trio.testing.MockClock
) -> None:
    """Of a Pub too, and the rest of a burst is told though no later drop comes."""
    caplog.set_level(logging.INFO, "trio_mq")
    async with (
        Pub(bind="inproc://news", send_hwm=1) as pub,
        Sub(connect="inproc://news", topics="", receive_hwm=1),
    ):
        await pub.wait_for_subscribers()
        for count in (102, 3):
            for _ in range(count):
                await pub.send(b"x")
            await trio.sleep(10)
            found = re.findall(r"dropped (\d+) .* because a queue was full", caplog.text)
            first, *later = map(int, found)
            assert (first, len(later)) == (1, 1 if count > 3 else 3)
            assert first + sum(later) == sum(pub.statistics().dropped_outgoing.values()) > 99
            lines = [record for record in caplog.records if "dropped" in record.message]
            assert {line.levelno for line in lines} == {logging.WARNING}
            assert "SUB at inproc://news" in lines[0].message


async def test_a_client_that_leaves_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    """What waited for it is counted, and what comes for it afterwards."""
    caplog.set_level(logging.INFO, "trio_mq")
    async with Router(bind="inproc://router", linger=0) as router:
        async with trio_mq.Dealer(routing_id=b"me", receive_hwm=1) as dealer:
            await dealer.connect("inproc://router", wait=True)
            for _ in range(10):
                await router.send([b"me", b"x"])
        for _ in range(5):
            await router.send([b"me", b"y"])
    assert {record.levelno for record in caplog.records} == {logging.INFO}
    told = " ".join(record.message for record in caplog.records)
    assert "for peers that have left" in told
    assert "for peers that are not there" in told
    numbers = [int(number) for number in re.findall(r"dropped (\d+)", told)]
    assert sum(numbers) == sum(router.statistics().dropped_outgoing.values())


def test_for_ever_has_a_name() -> None:
    """As the text about linger says."""
    assert repr(Push(linger=math.inf))
