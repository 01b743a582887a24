"""Counted prefix subscriptions: who wants which topics, and which topics we want.

A topic matches every message whose first frame begins with it (RFC 29). Both sides look topics up
by length: for each length that some topic has, one slice of the first frame and one dictionary
look-up. So ten topics cost as much as a hundred thousand of the same lengths, and a hostile peer
can't make matching slow with many topics, only with many *lengths*, which are limited
(`Limits.max_topic_lengths`). A trie would bound that without a limit, but costs a step per byte
where this costs a step per length, and programs use few lengths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from trio_mq._errors import ProtocolFault, RemoteProtocolError
from trio_mq._limits import Limits
from trio_mq._pipes.pipe import Pipe
from trio_mq._strategies.blame import Blame

_NOBODY: Final[dict[Pipe, None]] = {}


class _Lengths:
    """The lengths that topics have, in ascending order."""

    __slots__ = ("_counts", "ascending")

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self.ascending: tuple[int, ...] = ()

    def __contains__(self, length: int) -> bool:
        return length in self._counts

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, length: int) -> None:
        self._counts[length] += 1
        if self._counts[length] == 1:
            self.ascending = tuple(sorted(self._counts))

    def remove(self, length: int) -> None:
        self._counts[length] -= 1
        if not self._counts[length]:
            del self._counts[length]
            self.ascending = tuple(sorted(self._counts))


class Subscriptions:
    """A publisher's side: the topics of each subscriber, as a set per subscriber.

    A set, not a counter, because a libzmq subscriber sends every SUBSCRIBE but only the last
    CANCEL.
    """

    __slots__ = (
        "_blame_for_bytes",
        "_blame_for_lengths",
        "_blame_for_topics",
        "_by_pipe",
        "_bytes",
        "_first_with",
        "_lengths",
        "_limits",
        "_merged",
        "_merged_for",
        "_pipes",
        "_total",
        "_total_bytes",
        "version",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        #: Changes whenever a subscription does: until then, what `match` returned is true.
        self.version = 0
        #: Who wanted the last message that several topics matched, and the longest of these.
        self._merged: dict[Pipe, None] = {}
        self._merged_for: bytes | None = None
        # Dictionaries with no values are sets in order: peers are served in order of arrival.
        self._pipes: dict[bytes, dict[Pipe, None]] = {}
        self._by_pipe: dict[Pipe, dict[bytes, None]] = {}
        self._bytes: dict[Pipe, int] = {}
        self._lengths = _Lengths()
        self._total = 0
        self._total_bytes = 0
        # Who took what of the three limits that all peers share, counted once half of a limit is
        # used; and who brought each of those lengths.
        self._blame_for_topics = Blame()
        self._blame_for_bytes = Blame()
        self._blame_for_lengths = Blame()
        self._first_with: dict[int, Pipe] = {}

    def add(self, pipe: Pipe, topic: bytes) -> bool:
        """Subscribe the peer; True if nobody had subscribed to the topic before.

        Raises:
            RemoteProtocolError: The peer exceeds a limit; nothing was changed.
        """
        topics = self._by_pipe.get(pipe)
        if topics is not None and topic in topics:
            return False
        self._check_limits(pipe, topic, 0 if topics is None else len(topics))
        if topics is None:
            topics = self._by_pipe[pipe] = {}
        topics[topic] = None
        self._changed()
        self._bytes[pipe] = self._bytes.get(pipe, 0) + len(topic)
        self._total += 1
        if self._total * 2 > self._limits.max_subscriptions_total:
            self._blame_for_topics.add(pipe)
        self._total_bytes += len(topic)
        if self._total_bytes * 2 > self._limits.max_subscription_bytes_total:
            self._blame_for_bytes.add(pipe, len(topic))
        pipes = self._pipes.get(topic)
        if pipes is not None:
            pipes[pipe] = None
            return False
        self._pipes[topic] = {pipe: None}
        self._add_length(pipe, len(topic))
        return True

    def _add_length(self, pipe: Pipe, length: int) -> None:
        new = length not in self._lengths
        self._lengths.add(length)
        if new and len(self._lengths) * 2 > self._limits.max_topic_lengths:
            self._blame_for_lengths.add(pipe)
            self._first_with[length] = pipe

    def _remove_length(self, length: int) -> None:
        self._lengths.remove(length)
        if length in self._first_with and length not in self._lengths:
            self._blame_for_lengths.remove(self._first_with.pop(length))

    def remove(self, pipe: Pipe, topic: bytes) -> tuple[bool, bool]:
        """Cancel a subscription: whether the peer had it, and whether it was the topic's last."""
        topics = self._by_pipe.get(pipe)
        if topics is None or topic not in topics:
            return False, False
        del topics[topic]
        self._changed()
        self._bytes[pipe] -= len(topic)
        self._total -= 1
        self._total_bytes -= len(topic)
        self._blame_for_topics.remove(pipe)
        self._blame_for_bytes.remove(pipe, len(topic))
        if not topics:
            del self._by_pipe[pipe], self._bytes[pipe]
        pipes = self._pipes[topic]
        del pipes[pipe]
        if pipes:
            return True, False
        del self._pipes[topic]
        self._remove_length(len(topic))
        return True, True

    def remove_all(self, pipe: Pipe) -> list[tuple[bytes, bool]]:
        """Cancel every subscription of a peer; return each topic, and whether it was its last."""
        topics = self._by_pipe.pop(pipe, None)
        if topics is None:
            return []
        self._changed()
        self._total_bytes -= self._bytes.pop(pipe)
        self._total -= len(topics)
        removed = []
        for topic in topics:
            pipes = self._pipes[topic]
            del pipes[pipe]
            removed.append((topic, not pipes))
            if not pipes:
                del self._pipes[topic]
                self._remove_length(len(topic))
        self._blame_for_topics.forget(pipe)
        self._blame_for_bytes.forget(pipe)
        self._blame_for_lengths.forget(pipe)
        return removed

    def _changed(self) -> None:
        self.version += 1
        if self._merged_for is not None:
            # It must not keep a pipe in memory that is gone.
            self._merged, self._merged_for = {}, None

    def has(self, pipe: Pipe, topic: bytes) -> bool:
        """Tell whether the peer has subscribed to exactly this topic."""
        return topic in self._by_pipe.get(pipe, ())

    def topics_of(self, pipe: Pipe) -> tuple[bytes, ...]:
        """Return the topics of one peer."""
        return tuple(self._by_pipe.get(pipe, ()))

    def subscribers(self) -> Collection[Pipe]:
        """Return the peers with any subscription."""
        return self._by_pipe.keys()

    def topics(self) -> Collection[bytes]:
        """Return the distinct topics of all peers."""
        return self._pipes.keys()

    def match(self, first_frame: bytes) -> Collection[Pipe]:
        """Return the peers that want a message with that first frame, each once."""
        pipes_of = self._pipes
        lengths = self._lengths.ascending
        if len(lengths) == 1:
            return pipes_of.get(first_frame[: lengths[0]], _NOBODY)
        found: list[dict[Pipe, None]] = []
        size = longest = len(first_frame)
        for length in lengths:
            if length > size:
                break
            pipes = pipes_of.get(first_frame[:length])
            if pipes is not None:
                found.append(pipes)
                longest = length
        if len(found) > 1:
            return self._together(first_frame[:longest], found)
        return found[0] if found else _NOBODY

    def _together(self, longest: bytes, found: list[dict[Pipe, None]]) -> dict[Pipe, None]:
        """Return those who subscribed to the longest topic that matches, or to another one.

        All topics that match begin it, so it stands for them; and who publishes often does it on
        the same topic again.
        """
        if self._merged_for != longest:
            self._merged = {}
            for pipes in found:
                self._merged.update(pipes)
            self._merged_for = longest
        return self._merged

    def _check_limits(self, pipe: Pipe, topic: bytes, count: int) -> None:
        limits = self._limits
        if len(topic) > limits.max_topic_length:
            self._exceeded(f"a topic of {len(topic)} bytes", limits.max_topic_length)
        if count >= limits.max_subscriptions:
            self._exceeded("more subscriptions of one peer", limits.max_subscriptions)
        if self._bytes.get(pipe, 0) + len(topic) > limits.max_subscription_bytes:
            self._exceeded("more topic bytes of one peer", limits.max_subscription_bytes)
        if self._total >= limits.max_subscriptions_total:
            what, limit = "more subscriptions of all peers", limits.max_subscriptions_total
            self._turn_out(self._blame_for_topics, pipe, what, limit)
        if self._total_bytes + len(topic) > limits.max_subscription_bytes_total:
            what, limit = "more topic bytes of all peers", limits.max_subscription_bytes_total
            self._turn_out(self._blame_for_bytes, pipe, what, limit)
        if len(topic) not in self._lengths and len(self._lengths) >= limits.max_topic_lengths:
            what, limit = "more distinct topic lengths", limits.max_topic_lengths
            self._turn_out(self._blame_for_lengths, pipe, what, limit)

    def _turn_out(self, blame: Blame, newest: Pipe, what: str, limit: int) -> None:
        """End the connection of whoever used up what all share."""
        culprit = blame.culprit(newest)
        if culprit is newest or culprit.peer is None:
            self._exceeded(what, limit)
        else:
            # It goes in a moment, and the next one that needs room must not blame it again.
            blame.forget(culprit)
            culprit.peer.disconnect(ProtocolFault.SUBSCRIPTION_LIMIT.value)

    @staticmethod
    def _exceeded(what: str, limit: int) -> None:
        raise RemoteProtocolError(
            ProtocolFault.SUBSCRIPTION_LIMIT, f"{what} than the limit of {limit} allows"
        )


class Topics:
    """A subscriber's side: topics that we want, each counted as often as it was asked for."""

    __slots__ = ("_counts", "_lengths", "version")

    def __init__(self, topics: Iterable[bytes] = ()) -> None:
        self._counts: Counter[bytes] = Counter()
        self._lengths = _Lengths()
        #: Changes whenever the set of topics does.
        self.version = 0
        for topic in topics:
            self.add(topic)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def __contains__(self, topic: object) -> bool:
        return topic in self._counts

    @property
    def everything(self) -> bool:
        """The empty topic is among them: every message is wanted."""
        return 0 in self._lengths

    def add(self, topic: bytes) -> bool:
        """Ask for a topic once more; True if it is new and the publishers must hear of it."""
        self._counts[topic] += 1
        if self._counts[topic] > 1:
            return False
        self._lengths.add(len(topic))
        self.version += 1
        return True

    def remove(self, topic: bytes) -> bool | None:
        """Ask once less; True if nobody asks any more, ``None`` if nobody ever did."""
        if topic not in self._counts:
            return None
        self._counts[topic] -= 1
        if self._counts[topic]:
            return False
        del self._counts[topic]
        self._lengths.remove(len(topic))
        self.version += 1
        return True

    def match(self, first_frame: bytes) -> bool:
        """Tell whether a message with that first frame is wanted."""
        counts = self._counts
        size = len(first_frame)
        for length in self._lengths.ascending:
            if length > size:
                return False
            if first_frame[:length] in counts:
                return True
        return False
