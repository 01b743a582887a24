"""Fanout: one message to every peer that wants it, encoded once."""

from __future__ import annotations

from collections.abc import Collection

import trio

from trio_mq._message import Frames, size_of
from trio_mq._options import OnFull
from trio_mq._outgoing import Item, Outgoing
from trio_mq._pipe import Pipe
from trio_mq._statistics import DropReason


class Fanout:
    """Queues a message for many peers, and decides what a full queue means for its peer.

    ``drop_newest`` and ``drop_oldest`` lose a message for that peer only, ``disconnect`` ends its
    connection, ``block`` waits until every peer has room and then gives the message to all.
    """

    __slots__ = ("_on_full",)

    def __init__(self, on_full: OnFull) -> None:
        self._on_full = on_full

    def send(self, frames: Frames, pipes: Collection[Pipe]) -> None:
        """Queue the message for each of the pipes.

        Raises:
            trio.WouldBlock: ``on_full`` is ``block`` and a pipe is full; nothing was queued. The
                full pipes are marked `Pipe.blocked`, so their room will be announced.
        """
        if self._on_full == "block":
            self._require_room(pipes)
        # A message for one peer needs no shared encoding, and is cheaper bare.
        alone = len(pipes) == 1
        item: Item = frames if alone else Outgoing(frames, shared=True)
        size = size_of(frames)
        refused: list[Pipe] | None = None
        for pipe in pipes:
            # This loop is what a publisher's time goes into: as `Pipe.has_room` and `put_shared`,
            # without the calls, which took two thirds of it.
            if len(pipe.outgoing) < pipe.send_hwm and pipe.outgoing_bytes < pipe.send_hwm_bytes:
                if pipe.rolling and pipe.wrapped:
                    pipe.outgoing.append(item)
                    pipe.outgoing_bytes += size
                elif alone:
                    pipe.put_sized(item, size)
                else:
                    pipe.put_shared(item, size)
            elif pipe.has_room():
                pipe.put_shared(item, size)
            elif refused is None:
                refused = [pipe]
            else:
                refused.append(pipe)
        # Making room can end a connection, which changes the collection: so it comes after.
        for pipe in refused or ():
            self._refuse(pipe, item)

    def _require_room(self, pipes: Collection[Pipe]) -> None:
        full = [pipe for pipe in pipes if not pipe.has_room()]
        for pipe in full:
            pipe.blocked = True
        if full:
            raise trio.WouldBlock

    def _refuse(self, pipe: Pipe, item: Item) -> None:
        if self._on_full == "drop_oldest":
            while not pipe.has_room() and pipe.drop_oldest():
                pass
            if pipe.has_room():
                pipe.put(item)
                return
        pipe.refuse(DropReason.HIGH_WATER_MARK)
        if self._on_full == "disconnect" and pipe.peer is not None:
            pipe.peer.disconnect("its queue is full and on_full='disconnect'")
