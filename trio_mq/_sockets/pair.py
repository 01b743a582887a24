"""Exclusive pair: two sockets, and nobody else (RFC 31)."""

from __future__ import annotations

from typing import Unpack

import trio

from trio_mq._connections.link_end import Refusal
from trio_mq._context import Context
from trio_mq._message import Frames
from trio_mq._pipe import Pipe
from trio_mq._sockets.keywords import Endpoints, SocketOptions, make_options
from trio_mq._sockets.pattern import Contested, Pattern
from trio_mq._sockets.receiver import Receiver
from trio_mq._sockets.sender import Sender
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
        raise Contested(
            holder, Refusal("pair-occupied", f"this Pair is taken by {holder.endpoint}")
        )

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
        pipe = self.pipe
        if pipe is None or not pipe.attached:
            raise trio.WouldBlock
        if not pipe.has_room():
            pipe.blocked = True
            raise trio.WouldBlock
        pipe.put(frames)


class Pair(Sender, Receiver):
    """Talks to exactly one peer, in both directions.

    For two tasks or programs that know each other. A second peer is turned away while the first
    gives signs of life. It waits while there is no peer. Arguments and errors as for `Push`.
    """

    socket_type = SocketType.PAIR

    def __init__(
        self,
        *,
        bind: Endpoints = (),
        connect: Endpoints = (),
        context: Context | None = None,
        **options: Unpack[SocketOptions],
    ) -> None:
        checked = make_options("Pair", SocketOptions, options)
        super().__init__(PairPattern(checked), checked, bind=bind, connect=connect, context=context)
