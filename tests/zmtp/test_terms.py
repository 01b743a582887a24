"""What connections share, and what each has for itself."""

from __future__ import annotations

import pytest

from tests.zmtp.pair import GREETING
from trio_mq import IncompatiblePeer, Limits
from trio_mq.zmtp import Connection, Null, PeerReady, RemoteProtocolError, Role, SocketType
from trio_mq.zmtp.metadata import our_metadata
from trio_mq.zmtp.terms import Terms

VERSION = (3, 1)


def terms(limits: Limits = Limits()) -> Terms:  # noqa: B008  # it can't be changed
    """Return those of a Router."""
    return Terms.of(
        SocketType.ROUTER,
        routing_id=b"us",
        metadata={},
        mechanism=Null(),
        limits=limits,
        max_frame_size=None,
        max_message_size=None,
        max_frames=None,
    )


def dealer(name: bytes = b"") -> bytes:
    """Return how a Dealer introduces itself."""
    return our_metadata(SocketType.DEALER, name, {})


def ready_frame(introduction: bytes) -> bytes:
    """Return it as it stands on the wire."""
    body = b"\5READY" + introduction
    return bytes((4, len(body))) + body


def test_an_introduction_that_is_known_is_not_read_again() -> None:
    """Thousands of clients say the same, and are described by one object."""
    ours = terms()
    assert ours.meet(dealer(), VERSION) is ours.meet(dealer(), VERSION)


def test_who_differs_in_anything_is_another() -> None:
    """By name, or by the version that the greeting told."""
    ours = terms()
    names = [ours.meet(dealer(name), VERSION).routing_id for name in (b"", b"a", b"b", b"a")]
    assert names == [b"", b"a", b"b", b"a"]
    assert ours.meet(dealer(), (3, 0)).version == (3, 0)
    assert ours.meet(dealer(), VERSION).version == VERSION


def test_only_so_many_introductions_are_remembered_and_only_short_ones() -> None:
    """Strangers can't fill our memory with names; all are met all the same."""
    ours = terms()
    for number in range(1000):
        assert ours.meet(dealer(b"%d" % number), VERSION).routing_id == b"%d" % number
    assert len(ours._known) == 64
    long = our_metadata(SocketType.DEALER, b"", {"X-Long": bytes(1000)})
    fresh = terms()
    assert fresh.meet(long, VERSION).metadata["X-Long"] == bytes(1000)
    assert len(fresh._known) == 0


def test_a_wrong_introduction_is_refused_each_time() -> None:
    """Nothing is remembered of it, and nothing of it is believed later."""
    ours = terms(Limits(max_metadata_bytes=30))
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="more than max_metadata_bytes"):
            ours.meet(dealer(b"a name of many bytes"), VERSION)
        with pytest.raises(IncompatiblePeer):
            ours.meet(our_metadata(SocketType.PULL, b"", {}), VERSION)


def test_what_an_authenticator_says_of_one_is_not_said_of_the_next() -> None:
    """Both have introduced themselves in the same words."""
    ours = terms()
    users = []
    for user in ("alice", None):
        connection = Connection.on(ours, Role.ACCEPTING)
        connection.receive_data(GREETING + ready_frame(dealer()))
        event = connection.next_event()
        assert isinstance(event, PeerReady)
        if user is not None:
            connection.authenticated(user, {"Group": b"staff"})
        connection.accept()
        assert connection.peer is not None
        users.append((connection.peer.user_id, dict(connection.peer.auth_metadata)))
    assert users == [("alice", {"Group": b"staff"}), (None, {})]


def test_limits_of_traffic_are_worked_out_once_for_each_mechanism() -> None:
    """What a seal adds to a frame is allowed for, and nothing else differs."""
    ours = terms()
    assert ours.traffic(0) is ours.traffic(0)
    assert (ours.traffic(0).overhead, ours.traffic(33).overhead) == (0, 33)
