"""Push: hand out work (RFC 30)."""

from __future__ import annotations

from trio_mq._contract import AnyLink
from trio_mq._errors import ProtocolFault, RemoteProtocolError
from trio_mq._message import Message
from trio_mq._patterns.balanced import BalancedPattern
from trio_mq._pipes.pipe import Pipe
from trio_mq._tally import DropReason
from trio_mq.zmtp import SocketType


class PushPattern(BalancedPattern):
    """Load-balance out; nothing comes in."""

    socket_type = SocketType.PUSH

    def deliver(self, link: AnyLink, pipe: Pipe, messages: list[Message], payload: int) -> None:
        """Count and drop: a Pull has nothing to say. One that goes on talking is cut off."""
        pipe.inbound.discard(messages, payload, DropReason.FILTERED)
        assert link.peer is not None  # noqa: S101  # the handshake is done
        limit = link.options.limits.max_unexpected_messages
        # Of this connection: a connected endpoint's pipe has counted those of all before it.
        if link.peer.statistics().decoded > limit:
            raise RemoteProtocolError(
                ProtocolFault.UNEXPECTED_MESSAGE, f"more than {limit} messages to a Push"
            )
