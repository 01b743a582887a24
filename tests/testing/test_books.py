"""Nothing is lost, or it is said what and why."""

from __future__ import annotations

import re

import attrs
import pytest
import trio

import trio_mq
from trio_mq.testing import Network, assert_nothing_lost


async def test_after_clean_work_nothing_is_lost(mq_network: Network) -> None:
    """Open or closed, alone or together."""
    lab, field = mq_network.host("lab"), mq_network.host("field")
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field) as pull,
        trio_mq.Push(connect="tcp://field:80", context=lab) as push,
    ):
        await push.send_many([b"a", b"b", b"c"])
        assert_nothing_lost(push, pull)
        await pull.receive()
        assert_nothing_lost(push, pull, among_themselves=True)
        await pull.receive_many()
    assert_nothing_lost(push, pull, among_themselves=True)


async def test_what_was_dropped_is_named_with_its_reason(mq_network: Network) -> None:
    """Every one of them, with the figures of all sockets."""
    lab = mq_network.host("lab")
    async with trio_mq.Push(connect="tcp://lab:80", context=lab, linger=0) as push:
        await push.send(b"to nobody")
        assert_nothing_lost(push)
    with pytest.raises(AssertionError, match="dropped on the way out: 1 closed") as caught:
        assert_nothing_lost(push)
    assert "accepted 1 = written 0 + waiting 0 + dropped 1 closed" in str(caught.value)
    assert_nothing_lost(push, allow=[trio_mq.DropReason.CLOSED])


async def test_what_nobody_wanted_is_not_lost(mq_network: Network) -> None:
    """What was filtered or conflated was meant to go."""
    lab = mq_network.host("lab")
    async with (
        trio_mq.Pub(bind="tcp://*:80", context=lab) as pub,
        trio_mq.Sub(connect="tcp://lab:80", context=lab, topics="a") as sub,
    ):
        await pub.wait_for_subscribers(1)
        await pub.send(b"b")
        await pub.send(b"a")
        await sub.receive()
        assert_nothing_lost(pub, sub, among_themselves=True)


async def test_what_a_connection_took_with_it_is_missed(mq_network: Network) -> None:
    """It was written and never decoded, which only the two sides together can tell."""
    lab, field = mq_network.host("lab"), mq_network.host("field")
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field) as pull,
        trio_mq.Push(connect="tcp://field:80", context=lab) as push,
    ):
        await push.wait_for_peers()
        mq_network.cut(lab, field)
        await push.send(b"gone")
        await trio.sleep(1)
        mq_network.reset(lab, field)
        assert_nothing_lost(push, pull)
        with pytest.raises(AssertionError, match="1 messages were written, and 0 decoded"):
            assert_nothing_lost(push, pull, among_themselves=True)


async def test_books_that_do_not_balance_are_found(
    mq_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be a bug of the library's: here one is made up."""
    async with trio_mq.Pull(context=mq_network.host("lab")) as pull:
        figures = pull.statistics()
        broken = attrs.evolve(figures, decoded=5)
        monkeypatch.setattr(type(pull), "statistics", lambda _: broken)
        with pytest.raises(AssertionError, match=re.escape("don't balance")) as caught:
            assert_nothing_lost(pull)
        assert "decoded 5 = delivered 0 + waiting 0 + dropped 0" in str(caught.value)
        monkeypatch.undo()
