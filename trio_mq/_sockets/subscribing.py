"""Sub and XSub: the messages of all publishers, as far as they were asked for (RFC 29)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, Unpack

from trio.lowlevel import enable_ki_protection

from trio_mq._connections.link_owner import AnyLink
from trio_mq._context import Context
from trio_mq._message import Frames, Message, size_of
from trio_mq._options import Options
from trio_mq._pipe import Pipe
from trio_mq._sockets.keywords import Endpoints, SocketOptions, SubOptions, make_options
from trio_mq._sockets.pattern import Pattern
from trio_mq._sockets.receiver import Receiver
from trio_mq._sockets.sender import Sender
from trio_mq._sockets.socket import Socket
from trio_mq._statistics import DropReason
from trio_mq._strategies.fanout import Fanout
from trio_mq._strategies.subscriptions import Topics
from trio_mq.zmtp import SocketType

#: A topic: bytes, or text that is encoded as UTF-8.
Topic: TypeAlias = bytes | str


class XSubPattern(Pattern):
    """Subscriptions go to every publisher; whatever they send comes in."""

    socket_type = SocketType.XSUB

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.topics = Topics()
        self._targets: dict[Pipe, None] = {}
        self._fanout = Fanout("drop_newest")

    def attach(self, pipe: Pipe) -> None:
        """Send it what goes upstream."""
        self._targets[pipe] = None

    def detach(self, pipe: Pipe) -> None:
        """Send it nothing more."""
        self._targets.pop(pipe, None)

    def connected(self, link: AnyLink, pipe: Pipe) -> None:  # noqa: ARG002  # every link
        """Tell a new publisher what we want: subscriptions are state, not messages."""
        for topic in self.topics:
            link.subscribe(topic)

    def subscribe_to(self, topic: bytes) -> None:
        """Ask for a topic once more."""
        if self.topics.add(topic):
            for link in self.members.links.values():
                link.subscribe(topic)

    def unsubscribe_from(self, topic: bytes) -> None:
        """Ask for it once less."""
        if self.topics.remove(topic):
            for link in self.members.links.values():
                link.cancel(topic)

    def send(self, frames: Frames) -> None:
        """Send it to every publisher; one frame ``01`` or ``00`` and a topic subscribes."""
        kind = frames[0][:1]
        if len(frames) == 1 and kind == b"\x01":
            self.subscribe_to(frames[0][1:])
        elif len(frames) == 1 and kind == b"\x00":
            self.unsubscribe_from(frames[0][1:])
        elif self._targets:
            self._fanout.send(frames, tuple(self._targets))
        else:
            self.members.drop_unqueued(DropReason.NO_PEER)


class SubPattern(XSubPattern):
    """As XSub, but only what we asked for is received, and nothing is sent but subscriptions."""

    socket_type = SocketType.SUB

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._invert = options.invert_matching
        #: The set of topics has shrunk while messages were unread: look at each once more.
        self._recheck = False

    def unsubscribe_from(self, topic: bytes) -> None:
        """Ask for it once less, and let nothing unread slip through that only it let in."""
        super().unsubscribe_from(topic)
        self._look_again(bool(self.queue))

    def _look_again(self, recheck: bool) -> None:  # noqa: FBT001  # the state itself
        self._recheck = recheck
        self.queue.use_lane(use=not recheck)

    def wants(self, message: Message) -> bool:
        """Tell whether we asked for a message."""
        return self.topics.match(message[0]) is not self._invert

    def deliver(self, link: AnyLink, pipe: Pipe, messages: list[Message], payload: int) -> None:
        """Queue what is wanted. The publisher filters too, but hears of changes later than we."""
        wanted = self._wanted(messages)
        if wanted is not messages:
            unwanted = [message for message in messages if not self.wants(message)]
            size = sum(map(size_of, unwanted))
            pipe.inbound.discard(unwanted, size, DropReason.FILTERED)
            payload -= size
        if wanted:
            super().deliver(link, pipe, wanted, payload)

    def _wanted(self, messages: list[Message]) -> list[Message]:
        if self.topics.everything and not self._invert:
            return messages
        wanted = [message for message in messages if self.wants(message)]
        return messages if len(wanted) == len(messages) else wanted

    def take(self) -> Message:
        """Return the next message that is still wanted."""
        if not self._recheck:
            return self.queue.take()
        while True:
            try:
                message = self.queue.take()
            finally:
                self._look_again(bool(self.queue))
            if self.wants(message):
                return message
            pipe = self.queue.current
            assert pipe is not None  # noqa: S101  # it is where the message came from
            pipe.inbound.drop_taken(DropReason.FILTERED)


class _Subscriber(Socket):
    """What Sub and XSub share."""

    _lingers = False
    _subscribing: XSubPattern

    @enable_ki_protection
    def subscribe(self, topic: Topic) -> None:
        """Ask for messages whose first frame begins with the topic; the empty one is all.

        It takes effect at every publisher, now and after each reconnection. Topics are counted:
        one that was subscribed twice must be unsubscribed twice. Can be called before the socket
        is opened.

        Args:
            topic: Text is encoded as UTF-8.

        Raises:
            trio.ClosedResourceError: The socket was closed.
        """
        if self._scope is not None or self._closed:
            self._guard()
        self._subscribing.subscribe_to(_encoded(topic))

    @enable_ki_protection
    def unsubscribe(self, topic: Topic) -> None:
        """Ask for them once less. Nothing that only this topic let in is received afterwards.

        Args:
            topic: As it was given to `subscribe`.

        Raises:
            ValueError: It was not subscribed to.
            trio.ClosedResourceError: The socket was closed.
        """
        if self._scope is not None or self._closed:
            self._guard()
        encoded = _encoded(topic)
        if encoded not in self._subscribing.topics:
            raise ValueError(f"{topic!r} is not subscribed to")
        self._subscribing.unsubscribe_from(encoded)


class Sub(_Subscriber, Receiver):
    """Receives the messages of all connected publishers that begin with one of its topics.

    Args:
        topics: What to subscribe to from the beginning: one topic, or several; ``""`` is
            everything. Without any, nothing is received.
        bind: An endpoint, or several, to listen on.
        connect: An endpoint, or several, to connect to.
        context: Shares inproc names and limits; by default that of this trio run.
        **options: See `trio_mq.Options`.

    Raises:
        ValueError: An endpoint or the value of an option is not allowed.
        TypeError: An option that this socket does not have.
    """

    socket_type = SocketType.SUB

    def __init__(
        self,
        *,
        topics: Topic | Iterable[Topic] = (),
        bind: Endpoints = (),
        connect: Endpoints = (),
        context: Context | None = None,
        **options: Unpack[SubOptions],
    ) -> None:
        checked = make_options("Sub", SubOptions, options)
        pattern = SubPattern(checked)
        self._subscribing = pattern
        super().__init__(pattern, checked, bind=bind, connect=connect, context=context)
        for topic in (topics,) if isinstance(topics, (str, bytes)) else topics:
            self.subscribe(topic)


class XSub(_Subscriber, Sender, Receiver):
    """A Sub that can speak to its publishers and filters nothing itself: for proxies.

    Subscribe with `subscribe`, or by sending one frame of ``01`` and the topic (``00`` cancels);
    other messages go to every publisher that has room. Arguments and errors as for `Push`.
    """

    socket_type = SocketType.XSUB

    def __init__(
        self,
        *,
        bind: Endpoints = (),
        connect: Endpoints = (),
        context: Context | None = None,
        **options: Unpack[SocketOptions],
    ) -> None:
        checked = make_options("XSub", SocketOptions, options)
        self._subscribing = XSubPattern(checked)
        super().__init__(self._subscribing, checked, bind=bind, connect=connect, context=context)


def _encoded(topic: Topic) -> bytes:
    if isinstance(topic, str):
        return topic.encode()
    if isinstance(topic, bytes):
        return topic
    raise TypeError(f"a topic is bytes or text, not {type(topic).__name__}")
