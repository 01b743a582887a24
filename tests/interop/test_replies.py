"""A reply is taken for the request that it answers, however late and by whatever way it comes.

One scenario for each partner that a Req can have, as the table in ``docs/explanation/requests.rst``
lists them: a request is left without its reply, abandoned or by the end of its connection; then the
late reply comes when the next request is out. And the same at random, with many late replies.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import attrs
import pytest
import trio

import trio_mq
from tests.interop.libzmq import Frames, Libzmq, LibzmqSocket
from tests.interop.test_differential import Ours
from trio_mq import PeerLost, Req

TCP: Final = "tcp://127.0.0.1:*"
Service: TypeAlias = LibzmqSocket | Ours


@attrs.frozen
class Partner:
    """What a Req talks to, and how it came to that."""

    library: str
    kind: str
    we_bind: bool
    routing_id: bytes = b""

    def __str__(self) -> str:
        way = "connects" if self.we_bind else "binds"
        name = "-knows-our-name" if self.routing_id else ""
        return f"{self.library}-{self.kind}-{way}{name}"


PARTNERS: Final = [
    Partner(library, kind, we_bind, routing_id)
    for library in ("libzmq", "trio_mq")
    for kind in ("REP", "ROUTER")
    for we_bind in (False, True)
    for routing_id in (b"", b"name")
]
each_partner = pytest.mark.parametrize("partner", PARTNERS, ids=str)


@asynccontextmanager
async def meeting(partner: Partner, libzmq: Libzmq) -> AsyncIterator[tuple[Req, Service]]:
    """Join a Req and its partner, which both dial again at once."""
    options = {"routing_id": partner.routing_id, "linger": 0, "reconnect_interval": 0.01}
    async with Req(**options) as req:  # type: ignore[arg-type]  # several types in one dict
        if partner.library == "libzmq":
            theirs = await libzmq.open(partner.kind, RECONNECT_IVL=10)
            await _join(req, theirs, partner)
            yield req, theirs
        else:
            async with trio_mq.open_socket(partner.kind, linger=0, reconnect_interval=0.01) as ours:
                await _join(req, ours, partner)
                yield req, Ours(ours)


async def _join(req: Req, service: LibzmqSocket | trio_mq.Socket, partner: Partner) -> None:
    if partner.we_bind:
        await service.connect(await req.bind(TCP))
    else:
        await req.connect(await service.bind(TCP))
    await req.wait_for_peers()


@attrs.define(eq=False)
class Asking:
    """The requests of one Req, and what came of each."""

    req: Req
    outcomes: dict[bytes, object] = attrs.field(factory=dict)

    async def ask(self, body: bytes) -> None:
        """Make a request, and note what comes of it."""
        try:
            self.outcomes[body] = bytes(await self.req.request(body))
        except PeerLost:
            self.outcomes[body] = PeerLost

    def assert_no_reply_was_anothers(self) -> None:
        """Each has its own or none."""
        wrong = {
            body: outcome
            for body, outcome in self.outcomes.items()
            if outcome not in (b"re:" + body, PeerLost)
        }
        assert wrong == {}


async def answer(service: Service, request: Frames) -> None:
    """Send the reply to a request, with its envelope where the program sees that."""
    *envelope, body = request
    await service.send(*envelope, b"re:" + body)


async def leave_unanswered(asking: Asking, service: Service, body: bytes, *, cut: bool) -> Frames:
    """Make a request, and give it up or lose its connection once the service has it."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asking.ask, body)
        request = await service.receive()
        if cut:
            asking.req.peers[0].disconnect("a test")
        else:
            nursery.cancel_scope.cancel()
    await asking.req.wait_for_peers()
    return request


@each_partner
@pytest.mark.parametrize("cut", [False, True], ids=["abandoned", "cut"])
async def test_a_late_reply_is_not_taken_for_the_next_one(
    libzmq: Libzmq, partner: Partner, *, cut: bool
) -> None:
    """Nor are those after it shifted by one."""
    async with meeting(partner, libzmq) as (req, service):
        asking = Asking(req)
        late = await leave_unanswered(asking, service, b"first", cut=cut)
        for body in (b"second", b"third", b"fourth"):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asking.ask, body)
                if body == b"second":
                    await _until_written(req)
                    await answer(service, late)
                await answer(service, await service.receive())
        asking.assert_no_reply_was_anothers()
        assert asking.outcomes[b"second"] == b"re:second"
        assert asking.outcomes[b"fourth"] == b"re:fourth"


async def _until_written(req: Req) -> None:
    """Wait until both requests are with the kernel."""
    while req.statistics().written < 2:
        await trio.lowlevel.checkpoint()


@each_partner
async def test_no_reply_is_ever_anothers(libzmq: Libzmq, partner: Partner) -> None:
    """Requests are answered, abandoned and cut off at random, and late replies come at random."""
    draw = random.Random(str(partner))
    async with meeting(partner, libzmq) as (req, service):
        asking = Asking(req)
        owed: list[Frames] = []
        for number in range(12):
            body = b"%d" % number
            fate = draw.choice(["answer", "abandon", "cut"])
            if fate != "answer":
                request = await leave_unanswered(asking, service, body, cut=fate == "cut")
                owed.append(request)
            else:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(asking.ask, body)
                    owed.append(await service.receive())
                    draw.shuffle(owed)
                    for request in owed:
                        await answer(service, request)
                    owed.clear()
                assert asking.outcomes[body] == b"re:" + body
            # A REP answers before it takes the next one.
            while owed and (partner.kind == "REP" or draw.random() < 0.3):
                await answer(service, owed.pop())
        asking.assert_no_reply_was_anothers()


@pytest.mark.parametrize("partner", [p for p in PARTNERS if not p.we_bind], ids=str)
async def test_requests_at_the_same_time_each_get_their_own_reply(
    libzmq: Libzmq, partner: Partner
) -> None:
    """One after the other, or together, as the partner allows."""
    async with meeting(partner, libzmq) as (req, service), trio.open_nursery() as nursery:
        asking = Asking(req)
        for number in range(10):
            nursery.start_soon(asking.ask, b"%d" % number)
        for _ in range(10):
            await answer(service, await service.receive())
    asking.assert_no_reply_was_anothers()
    assert len(asking.outcomes) == 10
