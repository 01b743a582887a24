"""How an end introduces itself: the grammar, the limits, the judgement."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, strategies as st

from trio_mq import IncompatiblePeer, Limits
from trio_mq.zmtp import PeerProperties, ProtocolFault, RemoteProtocolError, SocketType
from trio_mq.zmtp.metadata import encode_metadata, meet_peer, our_metadata, parse_metadata

LIMITS = Limits()
NAMES = st.from_regex(r"[A-Za-z0-9_.+-]{1,255}", fullmatch=True)

#: Rows of properties and their wire form.
ENCODED: list[tuple[dict[str, bytes], bytes]] = [
    ({}, b""),
    ({"Socket-Type": b"REP"}, b"\x0bSocket-Type\0\0\0\3REP"),
    ({"Identity": b""}, b"\x08Identity\0\0\0\0"),
    ({"X-a": b"1", "X-b": b"\0\xff"}, b"\3X-a\0\0\0\x011\3X-b\0\0\0\2\0\xff"),
]

#: Rows of bytes and what is wrong with them.
INVALID = [
    (b"\0\0\0\0\0", "no name"),
    (b"\x0bSocket", "name over the end"),
    (b"\xffSocket-Type\0\0\0\0", "name far over the end"),
    (b"\3X-a", "no value length"),
    (b"\3X-a\0\0\0", "half a value length"),
    (b"\3X-a\0\0\0\2v", "value over the end"),
    (b"\3X-a\xff\xff\xff\xffv", "value length of 2^32 - 1"),
    (b"\3X-a\x80\0\0\0v", "value length of 2^31"),
    (b"\3X-a\0\0\0\1v\0", "a byte after the last property"),
    (b"\3X-a\0\0\0\1v\5A", "half a property after the last"),
    (b"\3X\0a\0\0\0\0", "zero in a name"),
    (b"\3X=a\0\0\0\0", "equals sign in a name"),
    (b"\3X a\0\0\0\0", "space in a name"),
    (b"\1\xff\0\0\0\0", "a name of no ASCII"),
    (b"\3X-a\0\0\0\0" * 2, "a name twice"),
    (b"\3X-a\0\0\0\0\3x-A\0\0\0\0", "a name twice but for its case"),
]


def meet(ours: str, **properties: bytes) -> PeerProperties:
    """Judge properties; underscores in their names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in properties.items()}
    return meet_peer(SocketType[ours], named, version=(3, 1), mechanism="NULL")


@pytest.mark.parametrize(("properties", "data"), ENCODED)
def test_properties_are_encoded_and_parsed(properties: dict[str, bytes], data: bytes) -> None:
    """The same table, both ways."""
    assert encode_metadata(properties) == data
    assert parse_metadata(data, LIMITS) == properties


@given(st.dictionaries(NAMES, st.binary(max_size=50), max_size=5))
def test_any_properties_survive_the_wire(properties: dict[str, bytes]) -> None:
    """Unless two names differ only in case, which is one name."""
    if len({name.lower() for name in properties}) == len(properties):
        assert parse_metadata(encode_metadata(properties), LIMITS) == properties


@pytest.mark.parametrize(("data", "comment"), INVALID)
def test_invalid_properties_are_refused(data: bytes, comment: str) -> None:
    """However they are broken, it is the same fault."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse_metadata(data, LIMITS)
    assert caught.value.fault is ProtocolFault.INVALID_METADATA, comment


@given(st.binary(max_size=200))
def test_any_bytes_are_properties_or_refused(data: bytes) -> None:
    """And what is parsed encodes to the same bytes."""
    with contextlib.suppress(RemoteProtocolError):
        assert encode_metadata(parse_metadata(data, LIMITS)) == data


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        (Limits(max_metadata_bytes=27), "max_metadata_bytes"),
        (Limits(max_metadata_properties=1), "max_metadata_properties"),
        (Limits(max_metadata_value=9), "max_metadata_value"),
    ],
)
def test_each_limit_is_exact(limits: Limits, word: str) -> None:
    """One more byte or property than allowed is refused, by the name of the limit."""
    data = encode_metadata({"X-a": b"v" * 10, "X-b": b"12"})
    with pytest.raises(RemoteProtocolError, match=word):
        parse_metadata(data, limits)


def test_what_just_fits_the_limits_is_parsed() -> None:
    """The counterpart of the refusals: each limit met exactly."""
    data = encode_metadata({"X-a": b"v" * 10, "X-b": b"12"})
    exact = Limits(max_metadata_bytes=28, max_metadata_properties=2, max_metadata_value=10)
    assert len(parse_metadata(data, exact)) == 2


@pytest.mark.parametrize("name", ["", "x" * 256, "a b", "a\0", "bücher", "a="])
def test_a_name_of_our_own_that_no_peer_could_read_is_refused(name: str) -> None:
    """It is our caller's mistake, so it is a ValueError."""
    with pytest.raises(ValueError, match="metadata name"):
        encode_metadata({name: b""})


def test_we_introduce_ourselves_as_libzmq_does() -> None:
    """Type first, then Identity where the type has one, also empty, then the rest."""
    assert our_metadata(SocketType.REP, b"", {}) == b"\x0bSocket-Type\0\0\0\3REP"
    dealer = our_metadata(SocketType.DEALER, b"me", {"X-a": b"b"})
    assert dealer == (b"\x0bSocket-Type\0\0\0\6DEALER\x08Identity\0\0\0\2me\3X-a\0\0\0\1b")


@pytest.mark.parametrize("routing_id", [b"x" * 256, b"\0abc"])
def test_a_routing_id_of_our_own_that_is_not_allowed_is_refused(routing_id: bytes) -> None:
    """255 bytes, and no leading zero: those are the ids that routers invent."""
    with pytest.raises(ValueError, match="routing_id="):
        our_metadata(SocketType.DEALER, routing_id, {})


@pytest.mark.parametrize("name", ["Socket-Type", "socket-type", "SOCKET-TYPE"])
def test_names_are_compared_without_regard_to_case(name: str) -> None:
    """RFC 23 says so, though libzmq does not."""
    peer = meet_peer(SocketType.PULL, {name: b"PUSH"}, version=(3, 0), mechanism="NULL")
    assert peer == PeerProperties(socket_type=SocketType.PUSH, version=(3, 0))


@pytest.mark.parametrize(
    "name", [b"SUB", b"STREAM", b"SERVER", b"", b"rep", b"REP\0", b"x" * 1024, b"\xff"]
)
def test_a_wrong_type_is_refused_by_name(name: bytes) -> None:
    """The text says who we are and what would fit."""
    with pytest.raises(IncompatiblePeer, match=r"a REQ socket .* connect it to REP or ROUTER"):
        meet("REQ", Socket_Type=name)


def test_a_peer_without_a_type_is_refused() -> None:
    """Nothing can be checked without it."""
    with pytest.raises(RemoteProtocolError, match="no Socket-Type") as caught:
        meet("REQ", Identity=b"me")
    assert caught.value.fault is ProtocolFault.INVALID_METADATA


@pytest.mark.parametrize("routing_id", [b"", b"i", b"i" * 255, b"i\0"])
def test_an_allowed_routing_id_is_kept(routing_id: bytes) -> None:
    """From nothing to 255 bytes."""
    assert meet("ROUTER", Socket_Type=b"REQ", Identity=routing_id).routing_id == routing_id


@pytest.mark.parametrize("routing_id", [b"i" * 256, b"\0", b"\0abc"])
def test_a_forbidden_routing_id_is_refused(routing_id: bytes) -> None:
    """A leading zero would let a peer pass for one whose id the router invented."""
    with pytest.raises(RemoteProtocolError, match="Identity"):
        meet("ROUTER", Socket_Type=b"REQ", Identity=routing_id)


def test_the_routing_id_of_a_type_that_has_none_is_ignored() -> None:
    """As libzmq ignores it."""
    assert meet("ROUTER", Socket_Type=b"DEALER", Identity=b"me").routing_id == b"me"
    assert meet("DEALER", Socket_Type=b"REP", Identity=b"me").routing_id == b""


def test_what_a_peer_claims_never_becomes_who_it_is() -> None:
    """User-Id, Peer-Address and __fd are for the authenticator and for us to fill."""
    claims = {"Socket-Type": b"PUSH", "User-Id": b"admin", "peer-address": b"::1", "__fd": b"3"}
    peer = meet_peer(
        SocketType.PULL, {**claims, "X-Version": b"2"}, version=(3, 1), mechanism="NULL"
    )
    assert peer.user_id is None
    assert peer.metadata == {"X-Version": b"2"}
