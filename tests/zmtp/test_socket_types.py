"""Which socket types may talk: the whole table, both ways."""

from __future__ import annotations

import pytest

from trio_mq.zmtp import SocketType

#: Rows of the table that RFC 28, 29, 30 and 31 give together.
LEGAL = {
    "REQ": {"REP", "ROUTER"},
    "REP": {"REQ", "DEALER"},
    "DEALER": {"REP", "DEALER", "ROUTER"},
    "ROUTER": {"REQ", "DEALER", "ROUTER"},
    "PUB": {"SUB", "XSUB"},
    "XPUB": {"SUB", "XSUB"},
    "SUB": {"PUB", "XPUB"},
    "XSUB": {"PUB", "XPUB"},
    "PUSH": {"PULL"},
    "PULL": {"PUSH"},
    "PAIR": {"PAIR"},
}


@pytest.mark.parametrize("ours", SocketType)
@pytest.mark.parametrize("theirs", SocketType)
def test_exactly_the_pairs_of_the_table_may_talk(ours: SocketType, theirs: SocketType) -> None:
    """A pair is legal if the table has it, and legal for both ends alike."""
    assert ours.may_talk_to(theirs) is (theirs.value in LEGAL[ours.value])
    assert ours.may_talk_to(theirs) is theirs.may_talk_to(ours)


def test_the_old_names_are_the_same_members() -> None:
    """DOWNSTREAM and UPSTREAM of 0MQ 2.0 are PUSH and PULL, not types of their own."""
    assert SocketType["DOWNSTREAM"] is SocketType.PUSH
    assert SocketType["UPSTREAM"] is SocketType.PULL
    assert len(SocketType) == 11


def test_only_publishers_have_subscribers() -> None:
    """PUB and XPUB are sent subscriptions, nobody else."""
    assert {t.value for t in SocketType if t.has_subscribers} == {"PUB", "XPUB"}


def test_types_that_a_router_addresses_announce_a_routing_id() -> None:
    """REQ, DEALER and ROUTER send an Identity property, as libzmq's do."""
    announcing = {t.value for t in SocketType if t.announces_routing_id}
    assert announcing == {"REQ", "DEALER", "ROUTER"}
