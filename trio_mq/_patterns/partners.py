"""Over which connection a partner of a Req can answer, and so what tells its replies apart.

A reply says which request it answers only if both bear an id. Without one, all that ties the two
together is the connection: at most one such request is unanswered on it, and the next message
without an id that comes over it is the reply. That is enough where an answer comes over the
connection that asked, or never. It is not enough where a partner takes what it owes from one
connection to the next:

* A service that dialled *us* keeps its queue over a lost connection, as every connecting socket
  of 0MQ does. The answer to what was asked before arrives on the next connection, in front of
  the answer to what is asked there. The handshake doesn't show that it is the same service: a REP
  has no name, and any number of them may connect.
* A Router answers by name. If we told it ours, it answers on whatever connection bears that name
  when the answer is ready.

With such partners a Req without ids keeps to two rules, which `Turns` carries out. While one plain
request is out among them, no other is. And once one was left without its answer, which may still
come anywhere, there is no plain request to them any more: services that dialled us get ids, and
Routers are not told our name again, so that what they owe to it reaches nobody.

What becomes of a request depends on how far it has come, and with whom. Until it is wholly written
it is ours alone: given up, it is taken back; if its connection ends, it waits, goes to another
service, or gets the form that the next service there needs. After that::

    partner      its reply is told by     it is given up               its connection ends
    -----------  -----------------------  ---------------------------  -------------------------
    NUMBERED     its id                   the id is known as late      the same
    CORRELATES   being the only plain     others have ids until the    the new one owes nothing
                 one, or its id           plain reply has come
    SETTLED      being the only one       its connection is ended      the new one owes nothing
    RETURNING    being the only plain     all who return get ids       all who return get ids
                 one among those who      from now on                  from now on
                 roam, or its id
    ADDRESSING   being the only one       its connection is ended,     nobody is told our name
                 among those who roam     nobody is told our name      from now on

In the last column the request fails with `PeerLost`. A SETTLED partner that was told our name (a
REP) makes it unusable too. ``tests/property/services.py`` has these partners as a model, and
``test_which_reply.py`` next to it takes steps in any order: requests, replies, connections lost and
made, endpoints given up, services replaced by others.
"""

from __future__ import annotations

import enum

from trio_mq._contract import AnyLink
from trio_mq.zmtp import SocketType


class Partner(enum.Enum):
    """What is known of the partner behind a pipe."""

    #: Each request to it has an id, because the program wants that.
    NUMBERED = "numbered"
    #: It repeats ids, and answers over the connection that asked, or never.
    CORRELATES = "correlates"
    #: It answers over the connection that asked, or never.
    SETTLED = "settled"
    #: It dialled us, and brings what it owes along when it dials again.
    RETURNING = "returning"
    #: It answers to the name that we told it, on whichever connection bears it.
    ADDRESSING = "addressing"

    @property
    def roams(self) -> bool:
        """Its answer may come over another connection than the one that asked."""
        return self in (Partner.RETURNING, Partner.ADDRESSING)


def partner_of(link: AnyLink, *, correlate: bool | None) -> Partner:
    """Return what the partner of a connection is.

    Args:
        link: The connection, after its handshake.
        correlate: The option: ids for all, for none, or (``None``) for those who announce that
            they repeat them.
    """
    peer = link.peer
    assert peer is not None  # noqa: S101  # the handshake is done
    if correlate:
        return Partner.NUMBERED
    if correlate is None and peer.correlates:
        return Partner.CORRELATES
    if link.own_pipe is None:
        return Partner.RETURNING
    if link.routing_id and peer.socket_type is SocketType.ROUTER:
        return Partner.ADDRESSING
    return Partner.SETTLED
