"""How a connection leaves: why it may stay a while, and how its tasks end.

A connection that has written everything stays until its close can reset nothing.

A reset destroys what the peer has not read yet. It follows from input that we have not read, or
that arrives after our close. So we read and discard

* until the peer has closed too, which it does when it has read everything, or else
* until the other kernel has acknowledged everything, if the peer is not expected to send anything,
  or else
* for a second in which it takes nothing. A peer that does not read can't hold us for longer: linger
  is the time to write what waits, and all is written. Our kernel goes on to send it.
"""

from __future__ import annotations

import contextlib
from typing import Final

import trio

from trio_mq._connections.reader import Reader
from trio_mq._connections.writer import Writer
from trio_mq._pipes.pipe import Pipe
from trio_mq._transports.stream import ByteStream, PollableStream
from trio_mq.zmtp import SocketType

#: Seconds that a peer has to take more of what we wrote.
_LAST_WORDS_SECONDS: Final = 1.0
#: Seconds that a refused peer has to read why, and the bytes that one read of its own words takes.
_FAREWELL_SECONDS: Final = 1.0
_FEW_BYTES: Final = 16 * 1024
#: Seconds between two looks at what it has taken: the first pause, and the longest. Where its end
#: is waited for, which comes by itself, thousands of connections need not look so often.
_FIRST_LOOK: Final = 0.001
_LONGEST_LOOK: Final = 0.05
_LOOK_BETWEEN: Final = 0.25
#: Types whose peers say nothing but a subscription now and then.
_TALK_ALONE: Final = (SocketType.PUSH, SocketType.PUB, SocketType.XPUB)


async def wait_while_at_risk(
    stream: ByteStream, ours: SocketType, over: trio.Event, *, peer_pings: bool
) -> None:
    """Wait until closing destroys nothing any more, or the peer has had its time.

    Args:
        stream: Where all is written, and the peer was told that nothing follows.
        ours: What we are.
        over: The connection ends anyway. To tell the task costs less than to cancel it.
        peer_pings: The peer sends PINGs by itself.
    """
    talks = peer_pings or ours not in _TALK_ALONE
    before = stream.unacknowledged()
    until = trio.current_time() + _LAST_WORDS_SECONDS
    pause = _LOOK_BETWEEN if talks else _FIRST_LOOK
    while (talks or before != 0) and trio.current_time() < until:
        with trio.move_on_after(pause):
            await over.wait()
            return
        if not talks:
            pause = min(2 * pause, _LONGEST_LOOK)
        left = stream.unacknowledged()
        if left != before:
            before, until = left, trio.current_time() + _LAST_WORDS_SECONDS


def was_idle(pipe: Pipe | None, reader: Reader, writer: Writer) -> bool:
    """Tell whether nothing was written to the peer, and nothing is to be written or read now.

    Then there is nothing to lose, and the connection may end at once.
    """
    watching = reader.watch is not None and reader.watch.watching
    written = pipe is not None and pipe.outbound.written_to_peer
    return watching and writer.has_never_begun and not written


async def close(stream: ByteStream, *, written_out: bool) -> None:
    """Close a stream, whatever is cancelled meanwhile.

    Args:
        stream: Nobody uses it any more.
        written_out: Everything was written, and should arrive.
    """
    closing = stream.farewell() if written_out else stream.aclose()
    if isinstance(stream, PollableStream):
        await closing  # at once: a scope for each of thousands would be a tenth of their end
    else:
        with trio.CancelScope(shield=True):
            await closing


async def say_why(stream: ByteStream, data: bytes) -> None:
    """Write why a peer is refused, and give it a moment to read that: a close could be a reset."""
    with (
        trio.move_on_after(_FAREWELL_SECONDS),
        contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError),
    ):
        await stream.write_all(data)
        await stream.shutdown_write()
        while await stream.receive_some(_FEW_BYTES):
            pass


def stop_at_rest(nursery: trio.Nursery, ending: int, reader: Reader, writer: Writer) -> bool:
    """Let the reader and the writer return, where both are at rest, as they mostly are.

    To cancel them costs several times as much, which matters when thousands of connections end at
    once: trio makes an exception with a traceback for each task and each nursery.

    Args:
        nursery: Where the writer runs, once it has begun.
        ending: How many other tasks it has that end with these two.
        reader: It waits for bytes, or it does not rest.
        writer: It waits for messages, or it does not rest.

    Returns:
        False if they are not at rest, or there are other tasks: then all are to be cancelled.
    """
    others = len(nursery.child_tasks) - writer.running - ending
    return others <= 0 and reader.stop() and writer.stop()
