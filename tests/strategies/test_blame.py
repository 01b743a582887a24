"""Who has to go when something that all peers share is used up."""

from __future__ import annotations

from typing import cast

import pytest

from tests.property.pipes import Books, new_pipe
from trio_mq import Limits, Peer, ProtocolFault
from trio_mq._pipes.pipe import Pipe
from trio_mq._strategies.subscriptions import Subscriptions
from trio_mq.zmtp import RemoteProtocolError


class _Visitor:
    """Stands for a peer at an address, and remembers why it was turned out."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.turned_out: list[str] = []

    def disconnect(self, reason: str) -> None:
        """Note it."""
        self.turned_out.append(reason)


def visitor(address: str) -> tuple[Pipe, _Visitor]:
    """Return the pipe of a peer at that address."""
    pipe, peer = new_pipe(Books()), _Visitor(address)
    pipe.peer = cast("Peer", peer)
    return pipe, peer


def topics(first: int, count: int) -> list[bytes]:
    """Return topics of as many lengths."""
    return [bytes(length) for length in range(first, first + count)]


LIMITS = Limits(max_topic_lengths=16)


def subscribe(subscriptions: Subscriptions, pipe: Pipe, wanted: list[bytes]) -> None:
    """Subscribe to all of them."""
    for topic in wanted:
        subscriptions.add(pipe, topic)


def test_who_came_while_there_was_plenty_stays() -> None:
    """However many it has, and wherever it is: the strangers took the rest."""
    subscriptions = Subscriptions(LIMITS)
    good, peer = visitor("10.0.0.1:1")
    subscribe(subscriptions, good, topics(1, 6))
    strangers = [visitor(f"10.0.0.1:{port}") for port in range(2, 7)]
    for index, (pipe, _) in enumerate(strangers):
        subscribe(subscriptions, pipe, topics(10 + 2 * index, 2))
    with pytest.raises(RemoteProtocolError) as caught:
        subscribe(subscriptions, visitor("10.0.0.1:9")[0], topics(30, 3))
    assert caught.value.fault is ProtocolFault.SUBSCRIPTION_LIMIT
    assert not peer.turned_out
    assert any(stranger.turned_out for _, stranger in strangers)


@pytest.mark.parametrize(
    ("crowd", "elsewhere"),
    [
        ("10.0.0.1", "10.0.0.2"),
        ("[2001:db8::%d]", "[2001:db8:0:1::1]"),
        ("[::ffff:10.0.0.1]", "[::ffff:10.0.0.2]"),
    ],
)
def test_many_at_one_address_count_together(crowd: str, elsewhere: str) -> None:
    """Each has less than the peer that comes from elsewhere, and one of them goes nevertheless."""
    subscriptions = Subscriptions(LIMITS)
    hosts = [crowd % index if "%" in crowd else crowd for index in range(14)]
    strangers = [visitor(f"{host}:{port}") for port, host in enumerate(hosts, 1000)]
    for index, (pipe, _) in enumerate(strangers):
        subscribe(subscriptions, pipe, topics(20 + index, 1))
    late, peer = visitor(f"{elsewhere}:1")
    subscribe(subscriptions, late, topics(1, 4))
    assert not peer.turned_out
    assert sum(len(stranger.turned_out) for _, stranger in strangers) == 2


@pytest.mark.parametrize(
    "limits", [Limits(max_subscriptions_total=16), Limits(max_subscription_bytes_total=16)]
)
def test_all_subscriptions_together_are_judged_alike(limits: Limits) -> None:
    """The limits of their number and of their bytes, with one length throughout."""
    subscriptions = Subscriptions(limits)
    good, peer = visitor("10.0.0.1:1")
    subscribe(subscriptions, good, [bytes([index]) for index in range(8)])
    hog, hogging = visitor("10.0.0.1:2")
    subscribe(subscriptions, hog, [bytes([index]) for index in range(8)])
    subscribe(subscriptions, visitor("10.0.0.1:3")[0], [b"x"])
    assert (len(peer.turned_out), len(hogging.turned_out)) == (0, 1)


def test_what_was_given_back_is_forgiven() -> None:
    """Whoever takes what is free again has taken it, and not who had it before."""
    subscriptions = Subscriptions(LIMITS)
    first, _ = visitor("10.0.0.1:1")
    subscribe(subscriptions, first, topics(1, 16))
    for topic in topics(9, 8):
        subscriptions.remove(first, topic)
    second, peer = visitor("10.0.0.2:1")
    subscribe(subscriptions, second, topics(20, 8))
    subscribe(subscriptions, visitor("10.0.0.3:1")[0], topics(40, 1))
    assert peer.turned_out == [ProtocolFault.SUBSCRIPTION_LIMIT.value]
