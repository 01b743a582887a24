"""The writing half of a link, where several writers let a flood fill their batches together."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count

import pytest
import trio

from tests.hostile import wire
from tests.slices import count_messages_only, have_patience, set_clock
from tests.writes import note_writes
from trio_mq import DropReason, Pub, Rep, Req, Router, Sub
from trio_mq._transports.stream import SocketStream


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize("turns", range(4))
async def test_a_writer_writes_although_the_one_that_looked_for_it_has_ended(
    lost: int, turns: int
) -> None:
    """Whichever of the two that is, and whenever it ends."""
    async with Pub(linger=0) as pub, Sub(topics=b"") as one, Sub(topics=b"") as two:
        endpoint = await pub.bind("tcp://127.0.0.1:*")
        for number, sub in enumerate((one, two), start=1):
            await sub.connect(endpoint)
            await pub.wait_for_subscribers(number)
        for number in range(300):
            pub.send_nowait(b"%d" % number)
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        pub.peers[lost].disconnect()
        kept = (two, one)[lost]
        for number in range(300):
            assert await kept.receive() == (b"%d" % number,)


async def test_writers_that_gather_are_all_done_when_the_flood_is() -> None:
    """Nobody waits for more that does not come."""
    async with (
        Pub(on_full="block") as pub,
        Sub(topics=b"") as one,
        Sub(topics=b"") as two,
        Sub(topics=b"") as three,
    ):
        endpoint = await pub.bind("tcp://127.0.0.1:*")
        for sub in (one, two, three):
            await sub.connect(endpoint)
        await pub.wait_for_subscribers(3)
        for number in range(3000):
            await pub.send(b"%d" % number)
            if number % 1000 == 999:
                for sub in (one, two, three):
                    for expected in range(number - 999, number + 1):
                        assert await sub.receive() == (b"%d" % expected,)


# -- requests and replies: what a turn brings goes in one write -----------------------------------


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return what was written to tcp streams after the handshakes, write by write."""
    return note_writes(monkeypatch)


def requests(count: int) -> list[bytes]:
    """Return so many requests with ids, as a client by hand sends them."""
    return [wire.message(b"%04d" % number, b"", b"request") for number in range(count)]


@asynccontextmanager
async def a_client_of(service: Router | Rep) -> AsyncIterator[trio.SocketStream]:
    """Connect a client by hand."""
    before = len(service.peers)
    port = int((await service.bind("tcp://127.0.0.1:*")).rpartition(":")[2])
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(wire.hello(b"DEALER"))
        await service.wait_for_peers(before + 1)
        yield stream


@pytest.mark.parametrize("kind", [Router, Rep])
async def test_the_replies_to_requests_that_came_together_go_together(
    kind: type[Router | Rep], written: list[bytes]
) -> None:
    """A system call costs as much as all that a reply costs otherwise."""
    count_messages_only()
    async with kind() as service, trio.open_nursery() as nursery:
        nursery.start_soon(service.serve, lambda request: request.message)
        async with a_client_of(service) as client:
            written.clear()
            asked = b"".join(requests(3))
            await client.send_all(asked)
            heard = b""
            while not heard.endswith(asked):
                heard += await client.receive_some()
            assert written == [asked]
        nursery.cancel_scope.cancel()


async def test_a_batch_for_several_peers_is_written_to_each_together(written: list[bytes]) -> None:
    """Whatever their order in the batch; only the first one is written at once."""
    count_messages_only()
    async with Router() as router, AsyncExitStack() as stack:
        for _ in range(3):
            client = await stack.enter_async_context(a_client_of(router))
            await client.send_all(wire.message(b"hello"))
        names = [(await router.receive())[0] for _ in range(3)]
        written.clear()
        batch = [[names[number % 3], b"%d" % number] for number in range(12)]
        assert await router.send_many(batch) == 12
        await router.drain()
        at_once, *together = written
        assert at_once == wire.message(b"0")
        assert set(together) == {
            b"".join(wire.message(b"%d" % number) for number in each)
            for each in [(3, 6, 9), (1, 4, 7, 10), (2, 5, 8, 11)]
        }


async def test_a_batch_ends_where_a_peer_is_missing_or_full(written: list[bytes]) -> None:
    """What can't be appended goes the long way, which drops it or waits for room."""
    count_messages_only()
    have_patience()
    async with Router(send_hwm=5) as router, a_client_of(router) as client:
        await client.send_all(wire.message(b"hello"))
        name, _ = await router.receive()
        batch = [[name, b"one"], [name, b"two"], [b"nobody", b"three"], [name, b"four"]]
        assert await router.send_many(batch) == 4
        assert router.statistics().dropped == {DropReason.UNROUTABLE: 1}
        sent = await router.send_many([[name, b"%d" % number] for number in range(20)])
        while sent < 20:
            sent += await router.send_many([[name, b"%d" % number] for number in range(sent, 20)])
        await router.drain()
        bodies = [b"one", b"two", b"four", *(b"%d" % number for number in range(20))]
        assert b"".join(written).endswith(b"".join(wire.message(body) for body in bodies))


async def test_a_lone_reply_is_written_at_once(written: list[bytes]) -> None:
    """Before the function that served it is done with anything else."""
    count_messages_only()
    async with Router() as router, a_client_of(router) as client:
        (asked,) = requests(1)
        await client.send_all(asked)
        async for request in router.requests():
            written.clear()
            await request.reply(request.message)
            assert written == [asked]
            break


@pytest.mark.parametrize("taken", [0, 1, 5])
async def test_the_writer_goes_on_with_a_lone_message_that_the_kernel_took_in_part(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or not at all. It is counted once, when its last byte is gone."""
    set_clock(count(0.0, 30e-6).__next__)  # long enough for a message to go alone
    write_now = SocketStream.write_now
    offered: list[bytes] = []

    def reluctant(self: SocketStream, data: bytes) -> int:
        offered.append(data)
        return write_now(self, data[:taken]) if taken else 0

    async with (
        Rep(bind="tcp://127.0.0.1:*") as rep,
        Req(connect=rep.endpoints[0].endpoint) as req,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(rep.serve, lambda request: request.message)
        assert await req.request(b"first") == b"first"
        monkeypatch.setattr(SocketStream, "write_now", reluctant)
        assert await req.request(b"second") == b"second"
        assert offered[0] == wire.message(b"", b"second")
        figures = req.statistics()
        assert (figures.accepted, figures.written) == (2, 2)
        assert (figures.decoded, figures.delivered) == (2, 2)
        nursery.cancel_scope.cancel()


async def test_what_waits_goes_before_a_lone_message(written: list[bytes]) -> None:
    """Nothing passes a queue whose writer has something to write."""
    now = 0.0
    set_clock(lambda: now)
    async with Router() as router, a_client_of(router):
        (peer,) = router.peers
        written.clear()
        await router.send_to(peer, b"at once")
        # So soon after it, this one waits for the end of the turn.
        await router.send_to(peer, b"before")
        now = 30e-6  # long enough for a message to go alone
        await router.send_to(peer, b"after")
        assert written == [wire.message(b"at once")]
        await router.drain()
        assert b"".join(written) == b"".join(map(wire.message, (b"at once", b"before", b"after")))


async def test_many_requests_of_one_turn_do_not_all_wait_for_its_end(written: list[bytes]) -> None:
    """The service can begin with the first of them, while the others are made."""
    count_messages_only()
    async with (
        Router(bind="tcp://127.0.0.1:*") as router,
        Req(connect=router.endpoints[0].endpoint, correlate=True) as req,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(router.serve, lambda _: b"reply")
        await req.request(b"first")
        written.clear()
        async with trio.open_nursery() as asking:
            for _ in range(100):
                asking.start_soon(req.request, b"request")
        sizes = [write.count(b"request") for write in written if b"request" in write]
        assert sum(sizes) == 100
        assert max(sizes) == 32
        nursery.cancel_scope.cancel()


async def test_what_is_left_for_the_end_of_a_turn_is_not_written_to_what_ends_before(
    written: list[bytes],
) -> None:
    """A connection that we have ended gets nothing more, and all is counted."""
    count_messages_only()
    async with Router() as router, a_client_of(router) as client:
        await client.send_all(b"".join(requests(3)))
        taking = router.requests()
        first, second = [await anext(taking) for _ in range(2)]
        written.clear()
        await first.reply(b"one")
        await second.reply(b"two")
        assert router.statistics().waiting_to_send == 2
        (peer,) = router.peers
        peer.disconnect()
        await peer.wait_closed()
        assert written == []
        assert router.statistics().dropped == {DropReason.PEER_LEFT: 2}


async def test_a_drain_ends_with_the_turn_that_writes_what_it_waits_for() -> None:
    """Its task is woken, though the run would sleep for ever otherwise."""
    count_messages_only()
    async with Router() as router, a_client_of(router) as client:
        await client.send_all(b"".join(requests(3)))
        taking = router.requests()
        for _ in range(2):
            await (await anext(taking)).reply(b"reply")
        assert router.statistics().waiting_to_send == 2
        await router.drain()
        assert router.statistics().written == 2


async def test_a_reply_that_waits_for_room_has_it_when_the_turn_ends() -> None:
    """The same for a task that waits until there is room."""
    count_messages_only()
    async with Router(on_full="block", send_hwm=2) as router, a_client_of(router) as client:
        await client.send_all(b"".join(requests(4)))
        taking = router.requests()
        for _ in range(3):
            await (await anext(taking)).reply(b"reply")
        assert router.statistics().accepted == 3
        assert router.statistics().written >= 2


async def test_what_waits_for_the_end_of_a_turn_is_written_when_the_socket_closes() -> None:
    """In that very turn, and nothing is lost."""
    count_messages_only()
    async with (
        trio.open_nursery() as nursery,
        Router() as router,
        a_client_of(router) as client,
    ):
        await client.send_all(b"".join(requests(3)))
        taking = router.requests()
        for number in range(2):
            await (await anext(taking)).reply(b"reply %d" % number)
        assert router.statistics().waiting_to_send == 2
        nursery.start_soon(router.aclose)
        heard = b""
        while data := await client.receive_some():
            heard += data
        assert heard.count(b"reply") == 2


async def test_who_unbinds_in_the_turn_of_a_reply_waits_for_its_writing_and_no_longer() -> None:
    """At the end of the turn nobody could tell the connection that all is written."""
    count_messages_only()
    async with Router(linger=math.inf) as router, a_client_of(router) as client:
        await client.send_all(b"".join(requests(3)))
        taking = router.requests()
        for _ in range(2):
            await (await anext(taking)).reply(b"reply")
        assert router.statistics().waiting_to_send == 2

        async def hear_out() -> None:
            heard = b""
            while data := await client.receive_some():
                heard += data
            assert heard.count(b"reply") == 2
            await client.aclose()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear_out)
            await router.unbind(router.endpoints[0].endpoint)
        assert router.statistics().written == 2
