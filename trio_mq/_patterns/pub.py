"""Pub: to every peer that wants it (RFC 29)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from trio_mq._contract import AnyLink
from trio_mq._events import SubscriptionAdded, SubscriptionRemoved
from trio_mq._log import SUBSCRIBED, UNSUBSCRIBED
from trio_mq._message import Frames, Message
from trio_mq._options import Options
from trio_mq._patterns.pattern import Pattern
from trio_mq._peer import Peer
from trio_mq._pipes.pipe import Pipe
from trio_mq._strategies.fanout import Fanout
from trio_mq._strategies.subscriptions import Subscriptions
from trio_mq._tally import DropReason
from trio_mq.zmtp import Cancel, Event, SocketType, Subscribe


class PubPattern(Pattern):
    """Fanout to those who subscribed; nothing else that subscribers say is read."""

    socket_type = SocketType.PUB
    may_drop = True
    sends_to_many = True

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.subscriptions = Subscriptions(options.limits)
        #: The peer to which the subscriptions of a pipe belong. The pipe of a connected endpoint
        #: keeps them when that peer goes, and by the time they end it may have no peer, or the next
        #: one.
        self._subscribers: dict[Pipe, Peer] = {}
        self._inverted = options.invert_matching
        self._fanout = Fanout(options.on_full, self.ledger.printer)

    # -- pipes --

    def attach(self, pipe: Pipe) -> None:
        """Nothing yet: a subscription makes it a target."""

    def detach(self, pipe: Pipe) -> None:
        """Its subscriptions end with it."""
        self.clear(pipe)

    def connected(self, link: AnyLink, pipe: Pipe) -> None:  # noqa: ARG002  # every link
        """Forget what an earlier connection of this endpoint had subscribed to."""
        self.clear(pipe)

    def forget(self, pipe: Pipe) -> None:
        """Its subscriptions end with it."""
        super().forget(pipe)
        self.clear(pipe)

    def room_opened(self, pipe: Pipe) -> None:  # noqa: ARG002  # the oldest sender knows
        """Complete the sends that wait for every subscriber to have room."""
        self.senders.serve()

    def clear(self, pipe: Pipe) -> None:
        """Remove every subscription of a pipe."""
        self._fanout.forget_readers()
        subscriber = self._subscribers.pop(pipe, None)
        for topic, last in self.subscriptions.remove_all(pipe):
            assert subscriber is not None  # noqa: S101  # `_add` noted who it was
            self._removed(topic, subscriber, last=last)
        # A sender may have waited for just this subscriber.
        self.senders.serve()

    # -- what peers say --

    def deliver(
        self,
        link: AnyLink,  # noqa: ARG002  # whoever it is
        pipe: Pipe,
        messages: list[Message],
        payload: int,
    ) -> None:
        """Count and drop: subscribers have nothing to say to a Pub."""
        pipe.inbound.discard(messages, payload, DropReason.FILTERED)

    def peer_said(self, link: AnyLink, pipe: Pipe, event: Event) -> None:
        """Add or remove a subscription."""
        match event:
            case Subscribe(topic):
                self.peer_subscribed(link, pipe, topic)
            case Cancel(topic):
                self.peer_cancelled(link, pipe, topic)
            case _:
                pass

    def peer_subscribed(self, link: AnyLink, pipe: Pipe, topic: bytes) -> None:
        """Add a subscription."""
        self._add(pipe, topic, peer_of(link))

    def peer_cancelled(self, link: AnyLink, pipe: Pipe, topic: bytes) -> None:
        """Remove a subscription."""
        self._remove(pipe, topic, peer_of(link))

    def _add(self, pipe: Pipe, topic: bytes, peer: Peer) -> bool:
        """Add a subscription; True if it is the first to its topic."""
        if self.subscriptions.has(pipe, topic):
            return False
        first = self.subscriptions.add(pipe, topic)
        self._subscribers[pipe] = peer
        if self.ledger.hub or SUBSCRIBED.is_wanted:
            self.ledger.hub.emit(SubscriptionAdded(peer=peer, topic=topic))
        self.ledger.conditions.look()
        return first

    def _remove(self, pipe: Pipe, topic: bytes, peer: Peer) -> None:
        """Remove a subscription, if it was there."""
        had, last = self.subscriptions.remove(pipe, topic)
        if had:
            self._removed(topic, peer, last=last)

    def _removed(self, topic: bytes, peer: Peer, *, last: bool) -> None:  # noqa: ARG002
        """A subscription was removed; ``last``: it was its topic's last, which an XPub reports."""
        if self.ledger.hub or UNSUBSCRIBED.is_wanted:
            self.ledger.hub.emit(SubscriptionRemoved(peer=peer, topic=topic))

    # -- calls --

    def look_for_room(self) -> None:
        """Raise `trio.WouldBlock` if a message for every subscriber would have to wait."""
        self._fanout.look(self.subscriptions.subscribers())

    def matching(self, first_frame: bytes) -> Collection[Pipe]:
        """Return the pipes of those who want a message with that first frame."""
        if self._inverted:
            return self._match_inverted(first_frame)
        return self.subscriptions.match(first_frame)

    def _match_inverted(self, first_frame: bytes) -> Collection[Pipe]:
        found = self.subscriptions.match(first_frame)
        return [pipe for pipe in self.ledger.pipes if pipe.attached and pipe not in found]

    def lacking_room(self, frames: Frames) -> Collection[Pipe]:
        """Return those who want it and have no room."""
        version = self.subscriptions.version
        return self._fanout.lacking_room(frames, self.matching(frames[0]), version)

    def send_easy(self, batch: Sequence[bytes | Frames], start: int) -> int:
        """Publish what goes to one subscriber, or to the same as the message before it.

        It stops where there is more to do than to append, such as to look for room.
        """
        return self._fanout.add_easy(batch, start, self.matching, self.subscriptions.version)

    def send(self, frames: Frames) -> None:
        """Give it to everybody who wants it. If nobody does, it is dropped and counted."""
        # As `matching`; a call is a twentieth of what it costs to publish.
        first, subscriptions = frames[0], self.subscriptions
        pipes = self._match_inverted(first) if self._inverted else subscriptions.match(first)
        if pipes:
            self._fanout.send(frames, pipes, subscriptions.version)
        elif self.ledger.links:
            self.ledger.drop_unwanted()
        else:
            self.ledger.drop_unqueued(DropReason.NO_PEER)


def peer_of(link: AnyLink) -> Peer:
    """Return who is at the other end of a link that talks."""
    assert link.peer is not None  # noqa: S101  # the handshake is done
    return link.peer
