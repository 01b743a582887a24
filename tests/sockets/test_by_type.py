"""Sockets of a type that is data; mypy, which reads the tests too, checks what it sees of them."""

from __future__ import annotations

from typing import assert_type

import pytest

import trio_mq
from trio_mq import (
    Dealer,
    Pair,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Router,
    Socket,
    SocketType,
    Sub,
    XPub,
    XSub,
    open_socket,
)


def test_a_literal_type_is_known_to_type_checkers() -> None:
    """By the name in either case, or as a member; both old names too."""
    assert_type(open_socket("REQ"), Req)
    assert_type(open_socket("REP"), Rep)
    assert_type(open_socket("DEALER", requeue=False), Dealer)
    assert_type(open_socket("ROUTER", mandatory=True), Router)
    assert_type(open_socket("PUB", on_full="block"), Pub)
    assert_type(open_socket("SUB", topics="news"), Sub)
    assert_type(open_socket("XPUB", verbose="all"), XPub)
    assert_type(open_socket("XSUB"), XSub)
    assert_type(open_socket("push", send_hwm=1), Push)
    assert_type(open_socket("downstream"), Push)
    assert_type(open_socket("UPSTREAM"), Pull)
    assert_type(open_socket(SocketType.PULL), Pull)
    assert_type(open_socket(SocketType.UPSTREAM), Pull)
    assert_type(open_socket(SocketType.PAIR, bind="inproc://a"), Pair)


def test_another_type_is_just_a_socket() -> None:
    """A name that comes from elsewhere, or options that the type does not have, tell nothing."""
    name = "push"
    assert_type(open_socket(name), Socket)
    with pytest.raises(TypeError, match="no option 'mandatory'"):
        assert_type(open_socket("PUSH", mandatory=True), Socket)


@pytest.mark.parametrize("member", SocketType.__members__.values(), ids=SocketType.__members__)
def test_each_type_has_its_class(member: SocketType) -> None:
    """The class is the one whose name is the type's, but for capitals."""
    socket = open_socket(member)
    assert type(socket).__name__.upper() == member.value
    assert socket.socket_type is member
    assert type(open_socket(member.name.lower())) is type(socket)


@pytest.mark.parametrize("wrong", ["PUSHY", "", 8, None])
def test_an_unknown_type_lists_the_known_ones(wrong: object) -> None:
    """So does something that is no text at all."""
    with pytest.raises(ValueError, match=r"no socket type .*known are REQ, REP, .*DOWNSTREAM"):
        open_socket(wrong)  # type: ignore[call-overload]


def test_senders_and_receivers_have_names_for_annotations() -> None:
    """A function that takes any of them can say so."""
    sends = {Push, Dealer, Router, Req, Rep, Pair}
    assert all(issubclass(kind, trio_mq.Sender) for kind in sends)
    takes = {Pull, Dealer, Router, Req, Rep, Pair, Sub, XPub, XSub}
    assert all(issubclass(kind, trio_mq.Receiver) for kind in takes)
    assert not issubclass(Pull, trio_mq.Sender)
    assert not issubclass(Pub, trio_mq.Receiver)
