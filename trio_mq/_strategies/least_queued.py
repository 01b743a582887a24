"""Least queued: one message to the peer for which the fewest wait, in turn among equals.

An example. Work takes very different times, and B has got a long piece. Its queue grows while A and
C go on; in turns, B would get every third piece in spite of that, and what waits there would be the
last to be done. By this choice A and C get all until B has caught up.
"""

from __future__ import annotations

import trio

from trio_mq._message import Frames
from trio_mq._pipes.outbound import Hold
from trio_mq._pipes.pipe import Pipe
from trio_mq._strategies.load_balance import LoadBalance


class LeastQueued(LoadBalance):
    """Chooses the pipe with the shortest queue, and one with a connection before one without.

    The choice looks at every pipe that has room, so it costs more with each.
    """

    __slots__ = ()

    def choose(self) -> Pipe:
        """Return the pipe for the next message, or raise `trio.WouldBlock`."""
        while self._ready:
            pipe = min(self._ready, key=_burden)
            self._ready.remove(pipe)
            if pipe.outbound.has_room():
                self._ready.append(pipe)
                return pipe
            pipe.outbound.block()
            self._find_sole()
        raise trio.WouldBlock

    def send(self, frames: Frames) -> None:
        """Give the message to that peer, or raise `trio.WouldBlock`."""
        if self.returned:
            raise trio.WouldBlock
        self.choose().outbound.put(frames)


def _burden(pipe: Pipe) -> tuple[bool, int]:
    return pipe.hold is not Hold.LENT, len(pipe.outbound.queue)
