"""The pipes of one socket: which may be chosen, and what becomes of those that lose their peer.

The order is always the same. A pipe is detached, so that nothing new is put into it. What waits in
it is given up: others get it if the pattern can give it to them, or it is dropped and counted. Then
the pipe is retired, and forgotten when its last unread message has been received.
"""

from __future__ import annotations

from trio_mq._options import Options
from trio_mq._patterns.pattern import Pattern
from trio_mq._peer import Peer, mark_closed
from trio_mq._pipes.pipe import Hold, Pipe
from trio_mq._tally import DropReason


class Pipes:
    """Looks after the pipes of one socket (`PipesSide`).

    Args:
        pattern: Chooses among the pipes, and knows who else may get what waits in one.
    """

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._ledger = pattern.ledger
        #: Set while the socket is closing, when what peers did not get is dropped: whether the log
        #: tells of it.
        self._closing = False
        self._warn = False

    # -- of connected endpoints --

    def new(self, endpoint: str, options: Options, given_id: bytes = b"") -> Pipe:
        """Return a pipe that is counted, but may not be chosen yet."""
        pipe = Pipe(self._pattern, endpoint, options, given_id)
        self._ledger.pipes[pipe] = None
        return pipe

    def attach(self, pipe: Pipe) -> None:
        """Let the pattern choose the pipe, unless it may already, or the endpoint is leaving."""
        if not (pipe.attached or pipe.leaving):
            pipe.join_targets()
            self._pattern.attach(pipe)

    def detach(self, pipe: Pipe) -> None:
        """Stop the pattern from choosing it."""
        if pipe.attached:
            pipe.leave_targets()
            self._pattern.detach(pipe)
            pipe.outbound.unblock()

    def unreachable(self, pipe: Pipe) -> None:
        """An endpoint failed: what waits there goes to others if the pattern can."""
        if pipe.attached:
            self.detach(pipe)
            self._reroute(pipe)

    def leave(self, pipe: Pipe) -> None:
        """A connected endpoint goes; it may connect once more to write what waits, and no more."""
        pipe.leave()
        self.detach(pipe)

    def remove(self, pipe: Pipe) -> None:
        """A connected endpoint is gone, with its link."""
        if pipe.hold is Hold.RETIRED:
            return
        self.detach(pipe)
        self._ledger.teller.forget(pipe.endpoint)
        self._ledger.undelivered(pipe, warn=self._warn or not self._closing)
        self._give_up(pipe, DropReason.CLOSED)
        self._retire(pipe)

    # -- when a connection has ended --

    def lost(self, pipe: Pipe, *, immediate: bool) -> None:
        """A connected endpoint has lost its connection, and will have another."""
        if self._pattern.per_connection:
            self._give_up_undelivered(pipe)
        if immediate:
            self.detach(pipe)
            self._reroute(pipe)

    def peer_left(self, pipe: Pipe, peer: Peer | None) -> None:
        """A peer that was accepted is gone, and nobody else will use its pipe."""
        self.detach(pipe)
        self._give_up_undelivered(pipe)
        if peer is not None:
            # By now its figures say what became of every message for it, and no later peer adds to
            # them.
            mark_closed(peer)
        self._retire(pipe)

    def _give_up_undelivered(self, pipe: Pipe) -> None:
        """Nobody will come for what was for this connection; tell of it if that is our doing."""
        if self._closing or pipe.leaving:
            self._ledger.undelivered(pipe, warn=self._warn or not self._closing)
            self._give_up(pipe, DropReason.CLOSED)
        else:
            self._give_up(pipe, DropReason.PEER_LEFT)

    def _give_up(self, pipe: Pipe, reason: DropReason) -> None:
        """Nobody will come for what waits in the pipe: others get it, or it is dropped."""
        if self._closing:
            pipe.outbound.drop_all(reason)
        else:
            self._pattern.give_up(pipe, reason)

    def _reroute(self, pipe: Pipe) -> None:
        """Let others get what waits in the pipe, if there will be any."""
        if not self._closing:
            self._pattern.reroute(pipe)

    def _retire(self, pipe: Pipe) -> None:
        """Nothing goes out through the pipe any more; what came in can still be read."""
        pipe.retire()
        self._pattern.emptied(pipe)

    # -- when the socket closes --

    def begin_to_close(self, *, warn: bool) -> None:
        """From now on, what a peer does not get from its link is dropped.

        Args:
            warn: Tell in the log how much that is.
        """
        self._closing, self._warn = True, warn

    def close(self) -> None:
        """Every link and endpoint has ended: drop what is left."""
        # Also if a bug or Ctrl-C has ended the tasks: nobody is left who could get messages.
        self._closing = True
        left = self._pattern.forget_returned()
        if left:
            self._ledger.drop_unqueued(DropReason.CLOSED, left)
            self._ledger.drains.forgotten(left)
        self._pattern.forget_kept()
        for pipe in tuple(self._ledger.pipes):
            pipe.inbound.drop_all(DropReason.CLOSED)
            pipe.inbound.end_tail()
            if pipe.hold is Hold.RETIRED:
                self._pattern.emptied(pipe)
            else:
                self.remove(pipe)
