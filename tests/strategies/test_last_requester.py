"""Route-to-last-requester: envelopes, and one answer per request."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from tests.property.pipes import no_peer
from trio_mq import Message, StateError
from trio_mq._strategies.last_requester import LastRequester, Requester, split_envelope

path = st.lists(st.binary(min_size=1, max_size=5), max_size=4)
body = st.lists(st.binary(max_size=5), min_size=1, max_size=4)


@given(path=path, body=body)
def test_the_envelope_ends_with_the_first_empty_frame(path: list[bytes], body: list[bytes]) -> None:
    """The body may have empty frames of its own."""
    assert split_envelope(Message([*path, b"", *body])) == ((*path, b""), tuple(body))


@given(path=path)
def test_without_a_delimiter_or_a_body_it_is_no_request(path: list[bytes]) -> None:
    """Nobody could be answered, or there is nothing to answer (RFC 28)."""
    assert split_envelope(Message([*path, b""])) is None
    assert not path or split_envelope(Message(path)) is None


def test_each_request_is_answered_once() -> None:
    """And the last one only."""
    last, peer = LastRequester(), no_peer()
    with pytest.raises(StateError, match="receive a request first"):
        last.answer()
    requester = Requester(peer, (b"",))
    last.asked(requester)
    assert last.pending
    assert last.answer() is requester
    assert not last.pending
    with pytest.raises(StateError):
        last.answer()
