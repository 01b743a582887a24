"""Large boxes whose counts are settled at once, and which are sealed and opened later."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, strategies as st

from tests.zmtp.pair import ConnectionPair, established
from tests.zmtp.secured import curve_client, curve_server, establish, pair_of
from tests.zmtp.test_sealed import Said, heard, sealed, split
from trio_mq import Message
from trio_mq.zmtp import (
    Cancel,
    Connection,
    Event,
    LargeBox,
    LocalProtocolError,
    Messages,
    ProtocolFault,
    RemoteProtocolError,
    Role,
    SocketType,
    Subscribe,
)

#: What counts as large here.
LARGE = 300
_FRAME = st.binary(max_size=20) | st.sampled_from([LARGE - 1, LARGE, 500, 40_000]).map(bytes)
_SAID: st.SearchStrategy[list[Said]] = st.lists(
    st.lists(_FRAME, min_size=1, max_size=4).map(tuple) | st.binary(max_size=16), max_size=12
)


def secured(*types: SocketType) -> ConnectionPair:
    """Return two ends, each of which leaves its large boxes to the test."""
    pair = establish(pair_of(curve_client(), curve_server(), *types))
    for connection in (pair.connecting, pair.accepting):
        assert connection.leave_large_boxes(LARGE) == LARGE
    return pair


def opening(
    connection: Connection, max_messages: int | None = None, max_bytes: int | None = None
) -> Iterator[Event]:
    """Yield what a connection has to tell; each large box is opened on the way."""
    while (event := connection.next_event(max_messages, max_bytes)) is not None:
        if isinstance(event, LargeBox):
            assert connection.next_event(max_messages, max_bytes) is event
            event.work()
        else:
            yield event


@given(
    _SAID,
    st.lists(st.integers(1, 60) | st.just(70_000), min_size=1, max_size=5),
    st.integers(1, 5),
    st.integers(1, 400),
)
def test_all_that_was_said_is_heard(
    said: list[Said], sizes: list[int], max_messages: int, max_bytes: int
) -> None:
    """Whatever the chunks are, and wherever the large ones are among the others."""
    pair = secured()
    told: list[Said] = []
    for chunk in split(sealed(pair.connecting, said), sizes):
        pair.accepting.receive_data(chunk)
        for event in opening(pair.accepting, max_messages, max_bytes):
            told += heard(event)
    assert told == said
    assert pair.accepting.buffered == 0


@given(st.lists(st.lists(_FRAME, min_size=1, max_size=4), min_size=1, max_size=5), st.randoms())
def test_what_is_sealed_later_is_the_same_byte_for_byte(
    frames: list[list[bytes]], chance: object
) -> None:
    """In whichever order the boxes are sealed, and however often."""
    messages = [message[0] if len(message) == 1 else tuple(message) for message in frames]
    at_once, later = secured().connecting, secured().connecting
    sealing = later.encode_later(messages)
    boxes = [*sealing.boxes, *sealing.boxes[:1]]
    chance.shuffle(boxes)  # type: ignore[attr-defined]  # of hypothesis
    for box in boxes:
        box.work()
    wire = b"".join(sealing.wire())
    assert wire == b"".join(at_once.encode(messages))
    assert sealing.size == len(wire)
    assert len(sealing.boxes) == sum(len(frame) >= LARGE for one in frames for frame in one)
    assert sealing.last == later.boxes_counted == at_once.boxes_counted


def test_what_is_encoded_meanwhile_is_counted_behind() -> None:
    """So it is taken behind them, and only there."""
    pair = secured(SocketType.XSUB, SocketType.XPUB)
    sealing = pair.connecting.encode_later([b"x" * LARGE, b"small"])
    before = sealing.last
    behind = [pair.connecting.subscribe(b"A"), pair.connecting.cancel(b"A")]
    assert pair.connecting.boxes_counted == before + 2
    for box in sealing.boxes:
        box.work()
    pair.accepting.receive_data(b"".join([*sealing.wire(), *behind]))
    assert list(opening(pair.accepting)) == [
        Messages([Message(b"x" * LARGE)], LARGE),
        Messages([Message(b"small")], 5),
        Subscribe(b"A"),
        Cancel(b"A"),
    ]


def test_a_command_may_be_large() -> None:
    """It is told as what it is, and messages may come before it in the same run."""
    pair = secured(SocketType.XSUB, SocketType.XPUB)
    topic = b"t" * 2 * LARGE
    said = [*pair.connecting.encode([b"before"]), pair.connecting.subscribe(topic)]
    pair.accepting.receive_data(b"".join(said))
    assert list(opening(pair.accepting)) == [Messages([Message(b"before")], 6), Subscribe(topic)]


def test_a_box_waits_for_room() -> None:
    """It is neither told nor handed out without."""
    pair = secured()
    pair.accepting.receive_data(b"".join(pair.connecting.encode([b"small", bytes(LARGE)])))
    assert pair.accepting.next_event() == Messages([Message(b"small")], 5)
    assert pair.accepting.next_event(0) is None
    box = pair.accepting.next_event()
    assert isinstance(box, LargeBox)
    box.work()
    assert pair.accepting.next_event(1, 0) is None
    assert pair.accepting.next_event(1, 1) == Messages([Message(bytes(LARGE))], LARGE)


def test_a_box_that_is_shut_is_counted_as_buffered() -> None:
    """It has arrived, and has not come out."""
    pair = secured()
    pair.accepting.receive_data(b"".join(pair.connecting.encode([bytes(LARGE)])))
    box = pair.accepting.next_event()
    assert isinstance(box, LargeBox)
    assert pair.accepting.buffered == box.size >= LARGE
    assert not pair.accepting.exhausted
    box.work()
    assert isinstance(pair.accepting.next_event(), Messages)
    assert pair.accepting.buffered == 0


def test_a_changed_box_ends_the_connection_when_it_is_opened() -> None:
    """What came before it is delivered."""
    pair = secured()
    wire = bytearray(b"".join(pair.connecting.encode([b"before", bytes(LARGE)])))
    wire[-1] ^= 1
    pair.accepting.receive_data(bytes(wire))
    events = opening(pair.accepting)
    assert next(events) == Messages([Message(b"before")], 6)
    with pytest.raises(RemoteProtocolError) as caught:
        next(events)
    assert caught.value.fault is ProtocolFault.CRYPTOGRAPHIC
    with pytest.raises(LocalProtocolError):
        pair.accepting.next_event()


@pytest.mark.parametrize("flags", [4, 0xFF])
def test_flags_that_no_frame_has_end_the_connection(flags: int) -> None:
    """In a large box as in a small one."""
    pair = secured()
    body = pair.connecting._mechanism.seal(flags, bytes(LARGE))
    pair.accepting.receive_data(b"\2" + len(body).to_bytes(8, "big") + body)
    with pytest.raises(RemoteProtocolError) as caught:
        list(opening(pair.accepting))
    assert caught.value.fault is ProtocolFault.RESERVED_FLAGS


def test_a_box_out_of_order_is_never_opened() -> None:
    """Its count is judged when it arrives, in order, whoever opens boxes and when."""
    pair = secured()
    first, second = (b"".join(pair.connecting.encode([bytes(LARGE)])) for _ in range(2))
    pair.accepting.receive_data(first + first + second)
    events = opening(pair.accepting)
    assert isinstance(next(events), Messages)
    with pytest.raises(RemoteProtocolError) as caught:
        next(events)
    assert caught.value.fault is ProtocolFault.SEQUENCE


def test_a_large_frame_that_is_no_message_of_curve_is_malformed() -> None:
    """Only that was promised."""
    pair = secured()
    body = b"\x07MASSAGE" + bytes(LARGE + 33)
    pair.accepting.receive_data(b"\2" + len(body).to_bytes(8, "big") + body)
    with pytest.raises(RemoteProtocolError) as caught:
        pair.accepting.next_event()
    assert caught.value.fault is ProtocolFault.MALFORMED_COMMAND


def test_a_box_has_no_outcome_before_the_work() -> None:
    """Whoever forgets it is told so."""
    sealing = secured().connecting.encode_later([bytes(LARGE)])
    with pytest.raises(LocalProtocolError, match="call its work"):
        sealing.wire()
    assert not sealing.boxes[0].done
    sealing.boxes[0].work()
    assert sealing.boxes[0].done


def test_nothing_is_left_where_nothing_is_sealed() -> None:
    """Under NULL, the size that is returned is one that no frame has."""
    connection = established()
    assert connection.leave_large_boxes(LARGE) > 2**62
    assert connection.boxes_counted == 0
    with pytest.raises(LocalProtocolError, match="leave_large_boxes"):
        connection.encode_later([bytes(LARGE)])


def test_nothing_is_left_before_messages_flow() -> None:
    """A handshake has no boxes that are large."""
    connection = Connection(SocketType.PUSH, Role.CONNECTING, mechanism=curve_client())
    with pytest.raises(LocalProtocolError, match="nothing can be sent"):
        connection.leave_large_boxes(LARGE)
    with pytest.raises(LocalProtocolError, match="nothing can be sent"):
        connection.encode_later([bytes(LARGE)])
