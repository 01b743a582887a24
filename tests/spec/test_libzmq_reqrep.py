"""libzmq's tests of requests and replies, ported; each is named for its original."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

import trio_mq
from tests.spec.departures import Departure, departs
from tests.spec.meeting import LARGE, NARROW, eventually, exchange, next_of, would_block
from trio_mq import Dealer, DropReason, PeerLost, Rep, Req, Router, StateError, Unroutable


async def test_req_correlate(place: str) -> None:
    """A ROUTER sees a 4-byte id; a reply with a wrong one is skipped, the right one is taken."""
    async with Router() as router, Req(connect=await router.bind(place), correlate=True) as req:
        await req.send([b"ABC", b"DEF"])
        name, number, *rest = await router.receive()
        assert (len(number), rest) == (4, [b"", b"ABC", b"DEF"])
        await router.send([name, bytes(4), b"", b"DATA"])
        await router.send([name, b"", b"DATA"])
        await router.send([name, number, b"", b"GHI"])
        assert await req.receive() == (b"GHI",)
        assert req.statistics().dropped == {DropReason.FILTERED: 2}


@departs(Departure.NO_RELAXED_REQ)
async def test_req_relaxed_a_second_send_is_refused(place: str) -> None:
    """Case 1: a second send abandons the first request, whose late reply is discarded."""
    async with Rep() as rep, Req(connect=await rep.bind(place)) as req:
        await req.send(b"first")
        with pytest.raises(StateError):
            await req.send(b"second")
        await rep.receive()
        await rep.send(b"reply")
        assert await req.receive() == (b"reply",)


@departs(Departure.NO_RELAXED_REQ)
async def test_req_relaxed_a_cancelled_request_leaves_the_socket_usable(place: str) -> None:
    """Cases 1 and 2: the late reply of an abandoned request is not taken for the next one's."""
    async with Router() as router, Req(correlate=True) as req:
        await req.connect(await router.bind(place), wait=True)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(req.request, b"first")
                name, first, *_ = await router.receive()
                scope.cancel()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def answer() -> None:
                _, second, *_ = await router.receive()
                await router.send([name, first, b"", b"late"])
                await router.send([name, second, b"", b"in time"])

            assert await req.request(b"second") == (b"in time",)


@departs(Departure.NO_RELAXED_REQ)
async def test_req_relaxed_a_cancelled_request_without_id_costs_its_connection(
    place: str,
) -> None:
    """Case 3: the connections stay open, and the next request goes to the next peer."""
    async with Router() as router, Req() as req:
        await req.connect(await router.bind(place), wait=True)
        (connection,) = req.peers
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(req.request, b"first")
                await router.receive()
                scope.cancel()
        await connection.wait_closed()
        await req.send(b"second")
        name, *_ = await router.receive()
        await router.send([name, b"", b"reply"])
        assert await req.receive() == (b"reply",)


@departs(Departure.NO_RELAXED_REQ)
async def test_req_relaxed_a_request_abandoned_before_bind_is_never_sent(unbound: str) -> None:
    """Case 4: two requests before bind both reach the server, the second's reply is returned."""
    async with Req(connect=unbound) as req, Rep() as rep:
        with trio.move_on_after(0):
            await req.request(b"first")
        await req.send(b"second")
        await rep.bind(unbound)
        assert await rep.receive() == (b"second",)
        await rep.send(b"reply")
        assert await req.receive() == (b"reply",)


@departs(Departure.BAD_REPLY_ENDS_ITS_CONNECTION)
async def test_invalid_rep(place: str) -> None:
    """A reply without a delimiter is not taken; the REQ can ask again."""
    async with Req(routing_id=b"A") as req, Router(connect=await req.bind(place)) as router:
        await req.send(b"r")
        name, *_ = await router.receive()
        with req.events() as events:
            await router.send([name, b"no delimiter"])
            assert (await next_of(events, trio_mq.Disconnected)).reason == "envelope"
        with pytest.raises(PeerLost):
            await req.receive()
        await req.send(b"again")
        # With an id, and without our name: the reply to the first request may still come.
        name, number, *again = await router.receive()
        assert again == [b"", b"again"]
        await router.send([name, number, b"", b"b"])
        assert await req.receive() == (b"b",)


async def test_invalid_rep_without_a_body(place: str) -> None:
    """A reply that is nothing but its envelope is no reply; the next one is."""
    async with Req() as req, Router(connect=await req.bind(place)) as router:
        await req.send(b"r")
        name, *_ = await router.receive()
        with pytest.raises(ValueError, match="routing id and at least one frame"):
            await router.send(name)
        await router.send([name, b""])
        await router.send([name, b"", b"b"])
        assert await req.receive() == (b"b",)


@pytest.mark.parametrize(
    "bind", ["inproc://a", "ipc://{}/a", "tcp://127.0.0.1:*", "tcp://localhost:*"]
)
async def test_reqrep(bind: str, tmp_path: Path) -> None:
    """A request and its reply pass over each transport."""
    async with Rep() as rep, Req() as req:
        await req.connect(await rep.bind(bind.format(tmp_path)))
        await exchange(req, rep)


async def test_reqrep_tcp_to_three_endpoints() -> None:
    """One REQ that is connected to three endpoints, one by a given source, asks them in turn."""
    async with Req() as req, Rep() as one, Rep() as two, Rep() as three:
        for count, (rep, source) in enumerate(((one, ""), (two, "127.0.0.1:0;"), (three, "")), 1):
            port = (await rep.bind("tcp://127.0.0.1:*")).rsplit(":", 1)[1]
            await req.connect(f"tcp://{source}localhost:{port}")
            await req.wait_for_peers(count)
        for rep in (one, two, three) * 2:
            await exchange(req, rep)


@departs(Departure.ONE_CONNECTION_PER_ENDPOINT)
@pytest.mark.parametrize("socket_type", [Req, Dealer, trio_mq.Pair])
async def test_reqrep_tcp_same_endpoint_twice(
    place: str, socket_type: type[Req | Dealer | trio_mq.Pair]
) -> None:
    """A second connect to the same endpoint adds nothing."""
    peer = trio_mq.Pair if socket_type is trio_mq.Pair else Router
    async with peer() as server, socket_type() as client:
        endpoint = await server.bind(place)
        for _ in range(2):
            assert await client.connect(endpoint, wait=True) == endpoint
        assert len(client.endpoints) == len(client.peers) == len(server.peers) == 1


async def test_reqrep_device(place: str) -> None:
    """A ROUTER and a DEALER by hand pass envelopes and multipart messages both ways."""
    async with (
        Router() as frontend,
        Dealer() as backend,
        Req(connect=await frontend.bind(place)) as req,
        Rep(connect=await backend.bind(place.replace("meeting", "backend"))) as rep,
    ):
        await req.send([b"ABC", b"DEF"])
        await backend.send(await frontend.receive())
        assert await rep.receive() == (b"ABC", b"DEF")
        await rep.send([b"GHI", b"JKL"])
        await frontend.send(await backend.receive())
        assert await req.receive() == (b"GHI", b"JKL")


async def test_router_mandatory(place: str) -> None:
    """A message to nobody is dropped by default and raises with mandatory; X then gets it."""
    async with Router() as lenient:
        await lenient.bind(place)
        await lenient.send([b"UNKNOWN", b"DATA"])
    async with Router(mandatory=True) as router:
        endpoint = await router.bind(place)
        with pytest.raises(Unroutable):
            await router.send([b"UNKNOWN", b"DATA"])
        async with Dealer(routing_id=b"X", connect=endpoint) as dealer:
            await dealer.send(b"Hello")
            assert await router.receive() == (b"X", b"Hello")
            await router.send([b"X", b"Hello"])
            assert await dealer.receive() == (b"Hello",)


async def test_router_mandatory_hwm(place: str) -> None:
    """A mandatory ROUTER soon raises for an idle DEALER, and sends again when it reads."""
    async with (
        Router(mandatory=True, **NARROW) as router,
        Dealer(routing_id=b"X", connect=await router.bind(place), **NARROW) as dealer,
    ):
        await dealer.send(b"Hello")
        assert await router.receive() == (b"X", b"Hello")
        with pytest.raises(Unroutable):
            await send_ten_times(router, [b"X", LARGE])
        for _ in range(router.statistics().accepted):
            assert await dealer.receive() == (LARGE,)
        await eventually(lambda: router.statistics().waiting_to_send == 0)
        await router.send([b"X", b"again"])
        assert await dealer.receive() == (b"again",)


async def test_router_handover(place: str) -> None:
    """With handover the second X takes over what is sent to X."""
    async with Router(handover=True) as router:
        endpoint = await router.bind(place)
        async with Dealer(routing_id=b"X") as first, Dealer(routing_id=b"X") as second:
            for dealer in (first, second):
                await dealer.connect(endpoint, wait=True, reconnect_interval=60)
                await dealer.send(b"Hello")
                assert await router.receive() == (b"X", b"Hello")
            await router.send([b"X", b"Hello"])
            assert await second.receive() == (b"Hello",)
            assert would_block(first.receive_nowait)


async def send_ten_times(router: Router, message: trio_mq.Sendable) -> None:
    """Send more than fits."""
    for _ in range(10):
        await router.send(message)


@departs(Departure.DUPLICATE_ID_IS_REFUSED)
async def test_router_no_handover(place: str) -> None:
    """Without handover the second X is not heard, and X is still the first."""
    async with Router() as router:
        endpoint = await router.bind(place)
        async with Dealer(routing_id=b"X", connect=endpoint) as first:
            await router.wait_for_peers()
            async with Dealer(routing_id=b"X") as second:
                with router.events() as events:
                    await second.connect(endpoint)
                    refused = await next_of(events, trio_mq.HandshakeFailed)
                assert refused.reason == "routing-id-in-use"
                assert not second.peers
                await router.send([b"X", b"Hello"])
                assert await first.receive() == (b"Hello",)


async def test_connect_rid(unbound: str) -> None:
    """A ROUTER that names its peer can send to it at once; the other side sees an id of its own."""
    async with Router() as client, Router(routing_id=b"server") as server:
        await client.connect(unbound, peer_routing_id=b"conn1")
        await client.send([b"conn1", b"hi 1"])
        await server.bind(unbound)
        name, text = await server.receive()
        assert (len(name), text) == (5, b"hi 1")
        await server.send([name, b"ok"])
        assert await client.receive() == (b"conn1", b"ok")
        with pytest.raises(ValueError, match="conn1"):
            await client.connect("inproc://other", peer_routing_id=b"conn1")


@pytest.mark.parametrize("conflate", [False, True])
async def test_a_probe_goes_before_what_waits(place: str, conflate: bool) -> None:  # noqa: FBT001
    """And takes nothing away, where only the last message is kept."""
    async with Router() as server:
        endpoint = await server.bind(place)
        await server.unbind(endpoint)
        async with Dealer(probe=True, conflate=conflate, connect=endpoint) as client:
            await client.send(b"waits")
            await server.bind(endpoint)
            assert (await server.receive())[1:] == (b"",)
            assert (await server.receive())[1:] == (b"waits",)


@pytest.mark.parametrize("prober", [Dealer, Router, Req])
async def test_probe_router(place: str, prober: type[Dealer | Router | Req]) -> None:
    """A probe shows the server the peer and its id, and the server can answer first."""
    async with Router() as server:
        endpoint = await server.bind(place)
        async with prober(routing_id=b"X", probe=True, connect=endpoint) as client:
            assert await server.receive() == (b"X", b"")
            await server.send([b"X", b"Hello"])
            if not isinstance(client, Req):
                assert (await client.receive())[-1] == b"Hello"


async def test_probe_router_without_a_name(place: str) -> None:
    """A server that has no name of its own gets one of five bytes from a router that probes."""
    async with Router() as server, Router(probe=True) as client:
        await client.connect(await server.bind(place))
        name, empty = await server.receive()
        assert (len(name), empty) == (5, b"")


async def test_issue_566(place: str) -> None:
    """Again and again a new DEALER with an id is reachable once it has connected."""
    async with Router(mandatory=True) as router:
        endpoint = await router.bind(place)
        for number in range(50):
            name = b"dealer %d" % number
            async with Dealer(routing_id=name) as dealer:
                with router.events() as events:
                    await dealer.connect(endpoint)
                    assert (await next_of(events, trio_mq.Connected)).peer.routing_id == name
                await router.send([name, b"HELLO"])
                assert await dealer.receive() == (b"HELLO",)


async def test_app_meta(place: str) -> None:
    """Each message comes with its peer: socket type, address, and the properties of its maker."""
    async with Rep(metadata={"X-bye": "ciao"}) as rep:
        endpoint = await rep.bind(place)
        async with Req(connect=endpoint, metadata={"X-hello": "hola"}) as req:
            await req.send(b"hi")
            _, client = await rep.receive_from()
            await rep.send(b"bye")
            _, server = await req.receive_from()
        assert (client.metadata["X-hello"], server.metadata["X-bye"]) == (b"hola", b"ciao")
        assert (client.socket_type.value, server.socket_type.value) == ("REQ", "REP")
        assert client.address


@pytest.mark.parametrize("name", ["", "no-prefix", "X-:", "X-" + "k" * 254])
def test_app_meta_malformed(name: str) -> None:
    """A malformed property is refused where it is given."""
    with pytest.raises(ValueError, match="metadata"):
        Rep(metadata={name: "value"})
