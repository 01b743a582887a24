"""The interface of mechanisms, proven by one that uses all of it; and NULL, which uses none."""

from __future__ import annotations

import pytest

from tests.zmtp.pair import events_of, messages_of
from tests.zmtp.toy_mechanism import established_rot, rot_pair
from trio_mq import Limits
from trio_mq.zmtp import (
    Connection,
    CredentialsReceived,
    LocalProtocolError,
    Null,
    PeerReady,
    Ping,
    RemoteProtocolError,
    Role,
    SocketType,
    Subscribe,
)
from trio_mq.zmtp.frames import encode_frame


def test_null_passes_everything_as_it_is() -> None:
    """So that one encoding serves many connections."""
    assert Connection(SocketType.PUB, Role.ACCEPTING, mechanism=Null()).clear


def test_null_neither_seals_nor_opens() -> None:
    """Whoever asks it to has mistaken it for another mechanism."""
    mechanism = Null().start(Role.CONNECTING, b"", Limits())
    with pytest.raises(LocalProtocolError):
        mechanism.seal(0, b"")
    with pytest.raises(LocalProtocolError):
        mechanism.open(b"")


def test_credentials_wait_for_a_verdict() -> None:
    """The connection tells of them once and goes on only when it is told to."""
    pair = rot_pair(SocketType.PUSH, SocketType.PULL)
    assert pair.exchange() == [CredentialsReceived("ROT", (b"password",))]
    assert events_of(pair.connecting) == []
    pair.connecting.authenticated("anna")
    (ready,) = pair.exchange()
    assert isinstance(ready, PeerReady)
    assert ready.properties.user_id == "anna"


def test_refused_credentials_are_told_with_their_status() -> None:
    """The client learns the status, and its object is over."""
    pair = rot_pair(SocketType.PUSH, SocketType.PULL)
    pair.exchange()
    pair.connecting.refuse("400")
    with pytest.raises(Exception, match="status 400"):
        pair.exchange()


def test_a_user_is_known_by_what_the_authenticator_said() -> None:
    """Apart from what the peer claims."""
    pair = established_rot(SocketType.PUSH, SocketType.PULL)
    assert pair.connecting.peer is not None
    assert pair.connecting.peer.auth_metadata == {"Group": b"staff"}
    assert pair.connecting.peer.mechanism == "ROT"


def test_sealed_messages_are_opened_whole() -> None:
    """Multipart messages, and the flags inside the seal."""
    pair = established_rot(SocketType.PUSH, SocketType.PULL)
    sent = [(b"one",), (b"a", b"", b"c" * 300)]
    buffers = pair.accepting.encode(sent)
    assert sum(map(len, buffers)) == sum(map(pair.accepting.wire_size, sent))
    assert b"one" not in b"".join(buffers)
    pair.connecting.receive_data(b"".join(buffers))
    assert messages_of(events_of(pair.connecting)) == sent


def test_sealed_commands_are_opened_too() -> None:
    """PING and SUBSCRIBE travel inside the seal."""
    pair = established_rot(SocketType.SUB, SocketType.PUB)
    pair.connecting.receive_data(pair.accepting.ping(1, b"c") + pair.accepting.subscribe(b"t"))
    assert events_of(pair.connecting) == [Ping(1, b"c"), Subscribe(b"t")]


@pytest.mark.parametrize("outer", [0x01, 0x04, 0x05])
def test_the_unprotected_outer_flags_of_a_sealed_frame_say_nothing(outer: int) -> None:
    """Else somebody on the way could glue messages together, or drop them."""
    pair = established_rot(SocketType.PUSH, SocketType.PULL)
    frame = b"".join(pair.accepting.encode([(b"one",)]))
    pair.connecting.receive_data(bytes([outer]) + frame[1:])
    assert messages_of(events_of(pair.connecting)) == [(b"one",)]


def test_a_frame_that_does_not_open_ends_the_connection_after_what_came_before() -> None:
    """Good messages are not lost for a bad one after them."""
    pair = established_rot(SocketType.PUSH, SocketType.PULL)
    good = b"".join(pair.accepting.encode([(b"one",)]))
    pair.connecting.receive_data(good + encode_frame(0, b""))
    assert messages_of([pair.connecting.next_event()]) == [(b"one",)]  # type: ignore[list-item]
    with pytest.raises(RemoteProtocolError, match="nothing to open"):
        pair.connecting.next_event()


def test_a_lone_frame_is_sealed_as_a_message_of_one() -> None:
    """Queues hold such messages bare."""
    pair = established_rot(SocketType.PUSH, SocketType.PULL)
    pair.connecting.receive_data(b"".join(pair.accepting.encode([b"bare", (b"framed",)])))
    assert messages_of(events_of(pair.connecting)) == [(b"bare",), (b"framed",)]


def test_large_sealed_frames_are_not_copied_into_others() -> None:
    """Small ones are joined for one write."""
    pair = established_rot(SocketType.PUSH, SocketType.PULL)
    large = b"x" * 100_000
    buffers = pair.accepting.encode([b"a", b"b", (b"c", large), b"d"])
    assert len(buffers) == 3
    pair.connecting.receive_data(b"".join(buffers))
    assert messages_of(events_of(pair.connecting)) == [(b"a",), (b"b",), (b"c", large), (b"d",)]
