"""Large boxes, sealed and opened in threads, with libzmq at the other end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import trio_mq
from tests.interop.accounts import assert_accounted_for
from tests.interop.libzmq import Frames, Libzmq
from tests.interop.libzmq_worker import pattern
from tests.interop.pairs import Link
from tests.interop.test_security import (
    CURVE_CLIENT,
    CURVE_SERVER,
    CURVE_SERVER_OF_THEIRS,
    TCP,
    Roles,
    let_in,
)
from trio_mq._connections import elsewhere, reader, writer

LARGE = elsewhere.LARGE
BODIES: list[Frames] = [
    (pattern(LARGE - 1),),
    (pattern(LARGE),),
    (b"", pattern(LARGE + 1), b"between", pattern(2**20), b""),
    (b"small",),
    (pattern(3 * 2**20),),
]


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what was done in threads."""
    done: list[str] = []
    for module, name in ((reader, "opened"), (writer, "sealed")):

        async def note(work: Callable[[], None], name: str = name) -> None:
            await elsewhere.work_elsewhere(work)
            done.append(name)

        monkeypatch.setattr(module, "work_elsewhere", note)
    return done


@pytest.mark.parametrize("link", Link, ids=lambda link: link.value)
@pytest.mark.parametrize("roles", [CURVE_SERVER, CURVE_CLIENT], ids=str)
async def test_large_and_small_messages_pass_both_ways(
    libzmq: Libzmq, link: Link, roles: Roles, worked: list[str]
) -> None:
    """With PINGs of both ends among them; libzmq ends a connection whose counts go back."""
    await let_in(libzmq, roles)
    theirs = await libzmq.open("DEALER", HEARTBEAT_IVL=20, HEARTBEAT_TIMEOUT=60_000, **roles.theirs)
    async with trio_mq.Dealer(
        mechanism=roles.ours,
        authenticator=roles.authenticator,
        heartbeat_interval=0.02,
        heartbeat_timeout=60,
    ) as ours:
        if link is Link.WE_BIND:
            await theirs.connect(await ours.bind(TCP))
        else:
            await ours.connect(await theirs.bind(TCP))
        await ours.wait_for_peers()
        (peer,) = ours.peers
        for _ in range(3):
            for body in BODIES:
                await ours.send(body)
            await theirs.echo(len(BODIES))
            for body in BODIES:
                assert await ours.receive() == body
        assert ours.peers == (peer,)
        large = 3 * sum(len(frame) >= LARGE for body in BODIES for frame in body)
        assert worked.count("sealed") == worked.count("opened") == large
        assert_accounted_for(ours)


async def test_subscriptions_change_while_boxes_are_sealed(
    libzmq: Libzmq, worked: list[str]
) -> None:
    """Each goes behind the box that is being sealed, in the order of the counts."""
    theirs = await libzmq.open("XPUB", **CURVE_SERVER_OF_THEIRS)
    async with trio_mq.XSub(mechanism=CURVE_CLIENT.ours) as xsub:
        await xsub.connect(await theirs.bind(TCP), wait=True)
        for number in range(5):
            topic = b"%d" % number
            await xsub.send([b"large", pattern(LARGE)])
            xsub.subscribe(topic)
            xsub.unsubscribe(topic)
            await xsub.send(b"small")
            heard = [await theirs.receive() for _ in range(4)]
            assert sorted(heard) == sorted(
                [(b"large", pattern(LARGE)), (b"\1" + topic,), (b"\0" + topic,), (b"small",)]
            )
    assert worked == ["sealed"] * 5
