"""Fanout: one message to every peer that wants it, encoded once.

Small messages that go to the same peers as those before them are added to an edition, which costs
as much for ten peers as for a thousand (`trio_mq._pipes.edition`). Every other message is put into
each of the queues.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import islice
from typing import Final

import trio

from trio_mq._message import Frames, size_of
from trio_mq._options import OnFull
from trio_mq._pipes.edition import Edition
from trio_mq._pipes.item import Item, Outgoing
from trio_mq._pipes.outbound import SMALL
from trio_mq._pipes.pipe import Pipe
from trio_mq._pipes.printer import Printer
from trio_mq._pipes.shared import SharedOutbound
from trio_mq._tally import DropReason

#: It pays to share from so many peers on, and where there is room for so many messages.
_FEW_PEERS: Final = 2
_FEW_MESSAGES: Final = 16
#: No edition holds more messages.
_MOST: Final = 1000


class Fanout:
    """Queues a message for many peers, and decides what a full queue means for its peer.

    ``drop_newest`` and ``drop_oldest`` lose a message for that peer only, ``disconnect`` ends its
    connection, ``block`` waits until every peer has room and then gives the message to all.

    Args:
        on_full: Which of these.
        printer: Writes the editions of the socket.
    """

    __slots__ = ("_on_full", "_printer", "_readers", "_version")

    def __init__(self, on_full: OnFull, printer: Printer[Pipe]) -> None:
        self._on_full = on_full
        self._printer = printer
        #: Who got the last message, as `send` was told.
        self._readers: Collection[Pipe] | None = None
        self._version = 0

    def forget_readers(self) -> None:
        """Begin anew with whoever is there: a pipe may be gone."""
        self._readers = None
        self._printer.close()
        self._printer.rest()

    def send(self, frames: Frames, pipes: Collection[Pipe], version: int = 0) -> None:
        """Queue the message for each of the pipes.

        Args:
            frames: The message.
            pipes: Who gets it.
            version: The same pipes in the same version are known to be the same.

        Raises:
            trio.WouldBlock: ``on_full`` is ``block`` and a pipe is full; nothing was queued. The
                full pipes are marked (`Outbound.block`), so their room will be announced.
        """
        item: bytes | Frames
        if len(frames) == 1:
            item = frames[0]
            size = len(item)
        else:
            item = frames
            size = size_of(frames)
        edition = self._printer.edition
        if size > SMALL:
            self._printer.close()
            self._put(Outgoing(frames) if len(pipes) > 1 else item, size, list(pipes))
        elif len(pipes) == 1:
            # There is nothing to share. If it is a member, it has room for one less now.
            edition.room -= 1
            (pipe,) = pipes
            outbound = pipe.outbound
            if not (outbound.append_small(item, size) or outbound.join_round(item, size)):
                self._put(item, size, [pipe])
                self._printer.written()
        elif (
            pipes is edition.readers and version == edition.version and edition.room > 0
        ) or self._begins_edition(pipes, version):
            edition = self._printer.edition
            edition.items.append(item)
            edition.size += size
            edition.room -= 1
            if edition.apart:
                self._put(item, size, list(edition.apart))
        else:
            edition.room -= 1
            self._send_to_each(Outgoing(frames), size, pipes)

    def add_easy(
        self,
        batch: Sequence[bytes | Frames],
        start: int,
        matching: Callable[[bytes], Collection[Pipe]],
        version: int,
    ) -> int:
        """Queue messages of a batch while that takes no more than to append; return how many.

        They go to the edition, if it is its readers who get them, or to one peer each.

        Args:
            batch: The messages; a single frame is just that frame.
            start: Where to begin.
            matching: Tells who gets a message with that first frame.
            version: As in `send`.
        """
        edition = self._printer.edition
        readers = edition.readers if not edition.apart and version == edition.version else None
        count = 0
        for item in islice(batch, start, None):
            if isinstance(item, bytes):
                first, size = item, len(item)
            else:
                first, size = item[0], size_of(item)
            if size > SMALL:
                break
            pipes = matching(first)
            if pipes is readers and edition.room > 0:
                edition.items.append(item)
                edition.size += size
            elif len(pipes) == 1:
                (pipe,) = pipes
                outbound = pipe.outbound
                if not (outbound.append_small(item, size) or outbound.join_round(item, size)):
                    break
            else:
                break
            edition.room -= 1
            count += 1
        return count

    def _begins_edition(self, pipes: Collection[Pipe], version: int) -> bool:
        """Begin an edition, unless it would not pay: then False.

        It does not where messages to some take turns with messages to others, or where there is
        room for a few only.
        """
        same = pipes is self._readers and version == self._version
        self._readers, self._version = pipes, version
        if not same:
            return False
        members: list[SharedOutbound[Pipe]] = []
        apart: list[Pipe] = []
        least = _MOST
        for pipe in pipes:
            outbound = pipe.outbound
            if (
                isinstance(outbound, SharedOutbound)
                and (room := outbound.room_for_edition()) >= _FEW_MESSAGES
            ):
                members.append(outbound)
                least = min(least, room)
            else:
                apart.append(pipe)
        if len(members) < _FEW_PEERS or (apart and self._on_full == "block"):
            return False
        blocks = self._on_full == "block"
        return self._printer.begin_edition(Edition(pipes, version, least, blocks, members, apart))

    def _send_to_each(self, item: Item, size: int, pipes: Collection[Pipe]) -> None:
        rest = [pipe for pipe in pipes if not pipe.outbound.append_small(item, size)]
        if rest and self._on_full == "block":
            # All or nothing. To ask a pipe for room may move messages, so ask all of them again.
            for pipe in set(pipes).difference(rest):
                pipe.outbound.undo_append(size)
            rest = list(pipes)
        if rest:
            self._put(item, size, rest)

    def send_to(self, frames: Frames, pipe: Pipe, *, tied: bool) -> None:
        """Queue the message for one of the pipes; if that is full, do as `send` for its peer."""
        self._printer.close()
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

    def lacking_room(self, frames: Frames, pipes: Collection[Pipe], version: int = 0) -> list[Pipe]:
        """Return the pipes that would not take the message."""
        small = len(frames) == 1 and len(frames[0]) <= SMALL
        edition = self._printer.edition
        if small and pipes is edition.readers and version == edition.version and edition.room > 0:
            pipes = edition.apart
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
