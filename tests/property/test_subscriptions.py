"""Topics against the plainest model: compare every prefix."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.property.pipes import Books, new_pipe
from trio_mq import Limits, ProtocolFault
from trio_mq._pipes.pipe import Pipe
from trio_mq._strategies.subscriptions import Subscriptions, Topics
from trio_mq.zmtp import RemoteProtocolError

topic = st.text("ab", max_size=4).map(str.encode)
FRAMES = [b"", b"a", b"b", b"ab", b"ba", b"aab", b"abab", b"bbbbb"]


class SubscriptionsMachine(RuleBasedStateMachine):
    """Three subscribers, whose sets of topics are compared frame by frame."""

    def __init__(self) -> None:
        super().__init__()
        self.subscriptions = Subscriptions(Limits())
        self.model: dict[Pipe, set[bytes]] = {new_pipe(Books()): set() for _ in range(3)}

    @rule(which=st.integers(0, 2), topic=topic)
    def add(self, which: int, topic: bytes) -> None:
        """Say whether anybody had it before."""
        pipe = list(self.model)[which]
        news = not any(topic in topics for topics in self.model.values())
        self.model[pipe].add(topic)
        assert self.subscriptions.add(pipe, topic) is news

    @rule(which=st.integers(0, 2), topic=topic)
    def remove(self, which: int, topic: bytes) -> None:
        """Say whether the peer had it, and whether it was the topic's last."""
        pipe = list(self.model)[which]
        had = topic in self.model[pipe]
        self.model[pipe].discard(topic)
        last = had and not any(topic in topics for topics in self.model.values())
        assert self.subscriptions.remove(pipe, topic) == (had, last)

    @invariant()
    def the_same_peers_match(self) -> None:
        """Each once, for every frame."""
        for frame in FRAMES:
            expected = {p for p, topics in self.model.items() if any(map(frame.startswith, topics))}
            found = list(self.subscriptions.match(frame))
            assert len(found) == len(set(found))
            assert set(found) == expected

    @invariant()
    def the_sets_are_the_same(self) -> None:
        """As they are listed, by peer and in all."""
        for pipe, topics in self.model.items():
            assert set(self.subscriptions.topics_of(pipe)) == topics
        assert set(self.subscriptions.topics()) == set().union(*self.model.values())
        assert set(self.subscriptions.subscribers()) == {p for p, t in self.model.items() if t}


class TopicsMachine(RuleBasedStateMachine):
    """A subscriber's own counted topics."""

    def __init__(self) -> None:
        super().__init__()
        self.topics = Topics()
        self.model: Counter[bytes] = Counter()

    @rule(topic=topic)
    def add(self, topic: bytes) -> None:
        """Only the first time is news."""
        self.model[topic] += 1
        assert self.topics.add(topic) is (self.model[topic] == 1)

    @rule(topic=topic)
    def remove(self, topic: bytes) -> None:
        """Only the last time is news; what was never asked for is neither."""
        had = self.model[topic] > 0
        self.model = Counter({**self.model, topic: self.model[topic] - had}) + Counter()
        assert self.topics.remove(topic) is ((topic not in self.model) if had else None)

    @invariant()
    def the_same_frames_match(self) -> None:
        """For every frame."""
        for frame in FRAMES:
            assert self.topics.match(frame) is any(map(frame.startswith, self.model))
        assert set(self.topics) == set(self.model)
        assert self.topics.everything is (b"" in self.model)


TestSubscriptions = SubscriptionsMachine.TestCase
TestTopics = TopicsMachine.TestCase


@pytest.mark.parametrize(
    ("limits", "topics"),
    [
        (Limits(max_topic_length=2), [b"aa", b"bbb"]),
        (Limits(max_subscriptions=2), [b"a", b"b", b"c"]),
        (Limits(max_subscription_bytes=3), [b"aa", b"bb"]),
        (Limits(max_subscriptions_total=1), [b"a", b"b"]),
        (Limits(max_subscription_bytes_total=3), [b"aa", b"bb"]),
        (Limits(max_topic_lengths=1), [b"a", b"bb"]),
    ],
    ids=["length", "number", "bytes", "total", "bytes of all", "lengths"],
)
def test_the_first_topic_beyond_a_limit_is_refused_and_changes_nothing(
    limits: Limits, topics: list[bytes]
) -> None:
    """One at the limit is accepted."""
    subscriptions, pipe = Subscriptions(limits), new_pipe(Books())
    for accepted in topics[:-1]:
        subscriptions.add(pipe, accepted)
    with pytest.raises(RemoteProtocolError) as caught:
        subscriptions.add(pipe, topics[-1])
    assert caught.value.fault is ProtocolFault.SUBSCRIPTION_LIMIT
    assert list(subscriptions.topics_of(pipe)) == topics[:-1]
    subscriptions.remove(pipe, topics[0])
    subscriptions.add(pipe, topics[0])


def test_a_length_that_no_topic_has_any_more_is_free_for_another() -> None:
    """Also after the last subscriber of its last topic has left."""
    subscriptions, pipe = Subscriptions(Limits(max_topic_lengths=1)), new_pipe(Books())
    subscriptions.add(pipe, b"a")
    subscriptions.remove(pipe, b"a")
    subscriptions.add(pipe, b"bb")
    assert list(subscriptions.match(b"bbb")) == [pipe]
