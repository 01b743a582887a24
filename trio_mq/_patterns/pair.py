"""Pair: one pipe, and nobody else (RFC 31)."""

from __future__ import annotations

import trio

from trio_mq._contract import Refusal
from trio_mq._message import Frames
from trio_mq._patterns.pattern import Contested, Pattern
from trio_mq._pipes.pipe import Pipe
from trio_mq.zmtp import PeerProperties, SocketType


class PairPattern(Pattern):
    """One pipe, in both directions."""

    socket_type = SocketType.PAIR

    #: The only pipe, from its admission or its ``connect`` on.
    pipe: Pipe | None = None

    def admit(self, pipe: Pipe, properties: PeerProperties) -> None:  # noqa: ARG002  # any Pair
        """Give the only place to the first who comes."""
        holder = self.pipe
        if holder is None or holder is pipe:
            self.pipe = pipe
            return
        refusal = Refusal("pair-occupied", f"this Pair is taken, by a peer at {holder.endpoint}")
        raise Contested(holder, refusal)

    def attach(self, pipe: Pipe) -> None:
        """Take a connected endpoint, unless there is a peer already."""
        if self.pipe is None or self.pipe is pipe:
            self.pipe = pipe
            self.senders.serve()

    def detach(self, pipe: Pipe) -> None:
        """The place is free."""
        if self.pipe is pipe:
            self.pipe = None

    def forget(self, pipe: Pipe) -> None:
        """The place is free."""
        super().forget(pipe)
        self.detach(pipe)

    def room_opened(self, pipe: Pipe) -> None:  # noqa: ARG002  # there is only one
        """It can take messages again."""
        self.senders.serve()

    def send(self, frames: Frames) -> None:
        """Queue it for the peer."""
        self._with_room().outbound.put(frames)

    def look_for_room(self) -> None:
        """Raise `trio.WouldBlock` if there is no peer, or it has no room."""
        self._with_room()

    def _with_room(self) -> Pipe:
        pipe = self.pipe
        if pipe is None or not pipe.attached:
            raise trio.WouldBlock
        if not pipe.outbound.has_room():
            pipe.outbound.block()
            raise trio.WouldBlock
        return pipe
