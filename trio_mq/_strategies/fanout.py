"""Fanout: one message to every peer that wants it, encoded once."""

from __future__ import annotations

from collections.abc import Collection

import trio

from trio_mq._message import Frames, size_of
from trio_mq._options import OnFull
from trio_mq._pipes.item import Item, Outgoing, bare
from trio_mq._pipes.outbound import SMALL
from trio_mq._pipes.pipe import Pipe
from trio_mq._tally import DropReason


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
                full pipes are marked (`Outbound.block`), so their room will be announced.
        """
        # For one peer there is nothing to share.
        item: Item = Outgoing(frames) if len(pipes) > 1 else bare(frames)
        size = len(frames[0]) if len(frames) == 1 else size_of(frames)
        if size > SMALL:
            self._put(item, size, list(pipes))
            return
        rest: list[Pipe] = []
        for pipe in pipes:
            # A publisher spends its time in this loop. It does what `_put` does, without the calls.
            outbound = pipe.outbound
            queue = outbound.queue
            if len(queue) < outbound.append_below:
                queue.append(item)
                outbound.size += size
            else:
                rest.append(pipe)
        if rest and self._on_full == "block":
            # All or nothing. To ask a pipe for room may move messages, so ask all of them again.
            for pipe in set(pipes).difference(rest):
                pipe.outbound.queue.pop()
                pipe.outbound.size -= size
            rest = list(pipes)
        if rest:
            self._put(item, size, rest)

    def send_to(self, frames: Frames, pipe: Pipe, *, tied: bool) -> None:
        """Queue the message for one of the pipes; if that is full, do as `send` for its peer."""
        outbound = pipe.outbound
        if self._on_full == "block":
            self._require_room([pipe])
        if outbound.has_room() or self._makes_room(pipe):
            if tied:
                outbound.put_for_this_connection(frames)
            else:
                outbound.put(frames)
        else:
            self._lose(pipe)

    def lacking_room(self, frames: Frames, pipes: Collection[Pipe]) -> list[Pipe]:
        """Return the pipes that would not take the message."""
        small = len(frames) == 1 and len(frames[0]) <= SMALL
        # To ask for room may move messages, and a task that waited for them may do more.
        return [
            pipe
            for pipe in tuple(pipes)
            if not (small and len((outbound := pipe.outbound).queue) < outbound.append_below)
            and not pipe.outbound.has_room()
        ]

    def look(self, pipes: Collection[Pipe]) -> None:
        """Raise `trio.WouldBlock` if a message for each of the pipes would have to wait."""
        if self._on_full == "block":
            self._require_room(pipes)

    def _put(self, item: Item, size: int, pipes: list[Pipe]) -> None:
        """Queue the message where there is room, and otherwise do what ``on_full`` says."""
        if self._on_full == "block":
            self._require_room(pipes)
        refused: list[Pipe] = []
        for pipe in pipes:
            if not pipe.outbound.has_room():
                refused.append(pipe)
            elif item.__class__ is Outgoing:
                pipe.outbound.put_shared(item, size)
            else:
                pipe.outbound.put_sized(item, size)
        # To refuse may end a connection, so it comes after everybody has got the message.
        for pipe in refused:
            self._refuse(pipe, item)

    def _require_room(self, pipes: Collection[Pipe]) -> None:
        # The first comparison is a quick one that most pipes pass.
        full = [
            pipe
            for pipe in tuple(pipes)
            if len((outbound := pipe.outbound).queue) >= outbound.append_below
            and not outbound.has_room()
        ]
        for pipe in full:
            pipe.outbound.block()
        if full:
            raise trio.WouldBlock

    def _refuse(self, pipe: Pipe, item: Item) -> None:
        if self._makes_room(pipe):
            pipe.outbound.put(item)
        else:
            self._lose(pipe)

    def _makes_room(self, pipe: Pipe) -> bool:
        """Drop what is oldest, if ``on_full`` says so."""
        while self._on_full == "drop_oldest" and pipe.outbound.drop_oldest():
            if pipe.outbound.has_room():
                return True
        return False

    def _lose(self, pipe: Pipe) -> None:
        """The peer loses this message, or its connection."""
        pipe.outbound.refuse(DropReason.HIGH_WATER_MARK)
        if self._on_full == "disconnect" and pipe.peer is not None:
            pipe.peer.disconnect("its queue is full and on_full='disconnect'")
