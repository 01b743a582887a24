"""More mistakes than the forty of everybody: what those make who guess, port or tidy up.

As in `test_mistakes`, a text names the thing, the value and the remedy.
"""

from __future__ import annotations

import io
import mmap
import re
from typing import Any, Final

import pytest
import trio

from tests.ports import held_port
from tests.sockets.test_mistakes import Mistake, bound, called, got, made, single
from trio_mq import (
    Dealer,
    Message,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Router,
    Socket,
    Sub,
    XPub,
    proxy,
)

ALICE: Final = {"X-name": 5}


def reached(endpoint: str, **options: Any) -> Mistake:  # noqa: ANN401  # as the keywords are
    """Make one attempt to connect."""

    async def connect() -> None:
        async with Push(linger=0) as push:
            await push.connect(endpoint, wait=True, **options)

    return connect


async def captured_by_a_pull() -> None:
    """Give a proxy a capture that can't send."""
    async with Pull() as pull, Push() as push, Pull() as capture:
        await proxy(pull, push, capture)  # type: ignore[arg-type]


async def two_of_one_name() -> None:
    """Name two services alike."""
    async with Router(linger=0) as router:
        await router.connect("inproc://one", peer_routing_id=b"it")
        await router.connect("inproc://two", peer_routing_id=b"it")


async def connected_twice() -> None:
    """Connect the same again, with other options."""
    async with Push(linger=0) as push:
        await push.connect("inproc://x")
        await push.connect("inproc://x", send_hwm=1)


async def refused_port() -> None:
    """Connect to where nobody listens."""
    with held_port() as port:
        await reached(f"tcp://127.0.0.1:{port}")()


async def none() -> None:
    """Make no stream."""


async def lingering() -> None:
    """Close with a time that is none."""
    async with Push() as push:
        await push.aclose(linger="long")  # type: ignore[arg-type]


def closed_map() -> mmap.mmap:
    """Return a mapped file that was closed."""
    mapped = mmap.mmap(-1, 8)
    mapped.close()
    return mapped


def assigned(kind: type, name: str) -> Mistake:
    """Set an attribute of a socket."""
    return made(lambda: setattr(kind(), name, 1))


STOP: Final = single(Message, frames=b"stop")
ROUTER: Final = single(Router, mandatory=True)

MISTAKES: Final[dict[str, tuple[Mistake, type[Exception], str]]] = {
    # -- options --
    "welcome of text": (
        made(XPub, welcome_message="hi"),
        TypeError,
        "^welcome_message is bytes or None, not 'hi'$",
    ),
    "farewell of frames": (
        made(Router, disconnect_message=[b"a"]),
        TypeError,
        r"^disconnect_message is bytes or None, not \[b'a'\]$",
    ),
    "metadata of a number": (made(Push, metadata=ALICE), TypeError, "bytes or str, not .* to 5"),
    "hwm beyond counting": (made(Push, send_hwm=10**30), ValueError, "send_hwm=10+ .* at most"),
    "a Router's option": (
        made(Dealer, mandatory=True),
        TypeError,
        "Dealer has no option 'mandatory'; it is an option of Router$",
    ),
    "a socket's for one endpoint": (
        bound("inproc://x", handover=True),
        TypeError,
        "endpoint inproc://x has no option 'handover'; the whole socket has it",
    ),
    "topics of a Pub": (made(Pub, topics="a"), TypeError, r"'topics'; it is a Sub .*Sub\(topics="),
    "subscribe=": (made(Sub, subscribe="a"), TypeError, "'subscribe'; a Sub .* topics="),
    "address=": (made(Push, address="tcp://x:1"), TypeError, "'address'; .*bind='tcp://…' or con"),
    "host=": (made(Push, host="x"), TypeError, "'host'; .* connect='tcp://host:port'"),
    "port=": (made(Push, port=5), TypeError, "'port'; .* connect='tcp://host:port'"),
    "username=": (made(Push, username="x"), TypeError, r"auth.PlainClient\(username, password\)"),
    "ssl_context=": (made(Push, ssl_context=1), TypeError, "tls_context=….* tls://host:port"),
    "receive_timeout=": (made(Pull, receive_timeout=1), TypeError, "trio.fail_after"),
    "retries=": (made(Dealer, retries=1), TypeError, r"retry=… to Req.request\(\)"),
    "a base class": (made(Socket), TypeError, "Socket is what several .* such as Push or Pull"),
    # -- endpoints --
    "capitals": (made(Push, connect="TCP://x:1"), ValueError, "'TCP'; write 'tcp'"),
    "a blank before it": (made(Push, connect=" tcp://x:1"), ValueError, "' tcp'; write 'tcp'"),
    "two in one": (made(Push, connect="tcp://x:1,tcp://y:2"), ValueError, "',' .* as a list"),
    "an open bracket": (made(Push, connect="tcp://[::1"), ValueError, r"in '\[::1' .*\]:port"),
    "no colon": (made(Push, connect="tcp://[::1]5"), ValueError, r"in '\[::1\]5' are wrong; write"),
    "a source to bind": (made(Pull, bind="tcp://a:1;b:2"), ValueError, "belongs to connect"),
    "a folder of nobody": (
        bound("ipc:///proc/sock"),
        OSError,
        "cannot listen on ipc:///proc/sock: no file can be made in the folder '/proc': .*another",
    ),
    "a link of nobody": (
        reached("tcp://[fe80::9%eth77]:5"),
        OSError,
        "'eth77', behind fe80::9, is no interface here .there are .*lo",
    ),
    "another host's address": (
        bound("tcp://192.0.2.1:5999"),
        OSError,
        r"assign requested address: it is no address of this host; bind one of its own, .* or \*",
    ),
    "nobody listens": (refused_port, ConnectionRefusedError, "refused: nobody listens there$"),
    "no such path": (
        reached("ipc:///nonexistent/sock"),
        FileNotFoundError,
        "ipc:///nonexistent/sock: .* nobody has bound that path$",
    ),
    "no stream": (
        reached("label", open_stream=none),
        ConnectionError,
        "cannot connect to label: its open_stream returned no trio.abc.Stream, but None",
    ),
    "other options": (connected_twice, ValueError, "inproc://x is connected .*the same, or disc"),
    "one name for two": (two_of_one_name, ValueError, "peer_routing_id=b'it': .* give another, or"),
    # -- messages --
    "one message as many": (
        called(Push, "send_many", Message([b"a", b"b"])),
        TypeError,
        "several messages, as in a list, not Message: for one message there is send",
    ),
    "one buffer as many": (called(Push, "send_many", closed_map()), TypeError, "not mmap"),
    "many as a mapping": (called(Push, "send_many", {b"a": b"b"}), TypeError, "not dict"),
    "many of a Req": (called(Req, "send_many", b"ab"), TypeError, "several messages, .* not bytes"),
    "many of a Rep": (called(Rep, "send_many", 5), TypeError, "several messages, .* not int"),
    "all at once": (called(Pull, "receive_many", None), TypeError, "max is a whole number, not No"),
    "none at once": (called(Pull, "receive_many", 0), ValueError, "max=0 .* at least 1"),
    "a message in a message": (
        called(ROUTER, "send", [b"id", Message(b"x")]),
        TypeError,
        r"frame 1 is Message, not bytes-like: unpack it, as in \[first, \*others\]",
    ),
    "None as a frame": (called(Push, "send", [None]), TypeError, "frame 0 is NoneType, .*encode"),
    "a file": (called(Push, "send", io.StringIO()), TypeError, "not StringIO: encode it first"),
    "what is closed": (
        called(Push, "send", closed_map()),
        ValueError,
        "a mmap, .* while it is open",
    ),
    "a message as text": (
        got(single(Message, frames=b"a"), "decode"),
        AttributeError,
        "message.text",
    ),
    "a message as bytes": (
        got(single(Message, frames=b"a"), "startswith"),
        AttributeError,
        r"message\[0\]\.startswith\(…\)",
    ),
    "a message as a list": (
        got(STOP, "pop"),
        AttributeError,
        r"never changes: .*first, \*rest = message",
    ),
    "what is no text": (
        got(single(Message, frames=b"\xff"), "text"),
        UnicodeDecodeError,
        r"if it is no text, take the bytes: message\[0\]",
    ),
    # -- calls --
    "a capture that receives": (captured_by_a_pull, TypeError, "capture is .* that sends, .*<Pull"),
    "receive of a Pub": (got(Pub, "receive"), AttributeError, "of this type only sends"),
    "send of a Pull": (got(Pull, "send"), AttributeError, "of this type only receives"),
    "request of a Dealer": (got(Dealer, "request"), AttributeError, "it is a Req that waits"),
    "subscribe of a Push": (got(Push, "subscribe"), AttributeError, "it is a Sub or an XSub"),
    "no time": (lingering, TypeError, "linger is seconds .* not 'long'"),
    # -- pyzmq's --
    "LINGER": (got(Push, "LINGER"), AttributeError, "give linger=… in seconds"),
    "set topics": (assigned(Push, "topics"), AttributeError, r"it is a Sub .*Sub\(topics="),
    "set another's": (assigned(Push, "on_full"), AttributeError, "option of Router, Pub and XPub"),
}


@pytest.mark.parametrize("name", MISTAKES)
async def test_a_mistake_is_refused_with_what_to_do(name: str) -> None:
    """By its type, and a text that names the thing, the value and the remedy."""
    mistake, kind, says = MISTAKES[name]
    with pytest.raises(kind, match=re.compile(says, re.DOTALL)):
        await mistake()


def test_a_plain_with_is_told_of_async_with() -> None:
    """Python's own error would not say it."""
    with pytest.raises(TypeError, match="write 'async with Push"), Push():  # type: ignore[attr-defined]
        pass


async def test_a_stream_that_says_nothing_of_its_error_is_told_all_the_same() -> None:
    """The text would end with a colon otherwise."""

    async def open_stream() -> trio.abc.Stream:
        raise EOFError

    async with Push(linger=0) as push:
        with pytest.raises(ConnectionError, match="its open_stream raised EOFError"):
            await push.connect("label", open_stream=open_stream, wait=True)


def test_the_table_is_long() -> None:
    """At least forty, as the other one."""
    assert len(MISTAKES) >= 40
