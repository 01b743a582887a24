"""libzmq's tests of proxies, ported: test_proxy, _single_socket, _terminate, _steerable, _hwm."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

import trio_mq
from tests.hostile.test_hogs import connect
from tests.hostile.wire import hello, message, ping
from tests.spec.departures import Departure, departs
from tests.spec.meeting import eventually, opened
from trio_mq import (
    Dealer,
    DropReason,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Router,
    Sub,
    Verbosity,
    XPub,
    XSub,
)

Middle = Push | Pull | Router | Dealer | XPub | XSub | Rep


@contextlib.asynccontextmanager
async def running(
    frontend: Middle, backend: Middle, capture: Push | None = None
) -> AsyncIterator[None]:
    """Run a proxy in the background."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio_mq.proxy, frontend, backend, capture)
        yield
        nursery.cancel_scope.cancel()


async def serve(worker: Rep) -> None:
    """Answer everything until cancelled."""
    async for request in worker:
        await worker.send(bytes(request).upper())


async def test_proxy(place: str) -> None:
    """Three clients get the answers of three workers, and the capture sees all that passes."""
    async with Router() as frontend, Dealer() as backend, Push() as tap:
        front = await frontend.bind(place)
        back = await backend.bind(place.replace("meeting", "back"))
        async with (
            Pull(connect=await tap.bind(place.replace("meeting", "tap"))) as capture,
            opened([Rep(connect=back) for _ in range(3)]) as workers,
            opened([Req(connect=front) for _ in range(3)]) as clients,
            trio.open_nursery() as nursery,
            running(frontend, backend, tap),
        ):
            await tap.wait_for_peers()
            for worker in workers:
                nursery.start_soon(serve, worker)
            for turn in range(5):
                for number, client in enumerate(clients):
                    text = b"request %d of %d" % (turn, number)
                    assert await client.request(text) == (text.upper(),)
            assert [len(await capture.receive()) for _ in range(30)] == [3] * 30
            nursery.cancel_scope.cancel()


async def test_proxy_single_socket(place: str) -> None:
    """A REP that is both sides of a proxy echoes."""
    async with Rep() as rep, Req(connect=await rep.bind(place)) as req, running(rep, rep):
        for text in ([b"msg1"], [b"msg2", b"two frames"]):
            assert await req.request(text) == tuple(text)


async def test_proxy_terminate_by_closing_a_socket(place: str) -> None:
    """A proxy ends when one of its sockets is closed, and says so."""
    async with Pull() as frontend, Push() as backend, trio.open_nursery() as nursery:
        await frontend.bind(place)

        @nursery.start_soon
        async def run() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await trio_mq.proxy(frontend, backend)

        await trio.testing.wait_all_tasks_blocked()
        await frontend.aclose()


@departs(Departure.PROXY_IS_STEERED_BY_ITS_SCOPE)
async def test_proxy_steerable(place: str) -> None:
    """A proxy is paused, resumed and ended; paused it loses nothing; and it can be watched."""
    async with (
        Pull() as frontend,
        Push() as backend,
        Push(connect=await frontend.bind(place)) as source,
        Pull(connect=await backend.bind(place.replace("meeting", "back"))) as sink,
    ):
        for turn in range(1, 4):
            async with running(frontend, backend):
                await source.send(b"%d" % turn)
                assert await sink.receive() == (b"%d" % turn,)
            assert frontend.statistics().delivered == turn
            assert backend.statistics().accepted == turn


async def test_proxy_terminate_loses_nothing(place: str) -> None:
    """Messages that came while no proxy ran pass when one runs again."""
    async with (
        Pull() as frontend,
        Push(send_hwm=1) as backend,
        Push(connect=await frontend.bind(place)) as source,
        Pull(connect=await backend.bind(place.replace("meeting", "back"))) as sink,
    ):
        for number in range(100):
            await source.send(b"%d" % number)
        received: list[bytes] = []
        while len(received) < 100:
            async with running(frontend, backend):
                received.append(bytes(await sink.receive()))
    assert received == [b"%d" % number for number in range(100)]


async def test_proxy_hwm() -> None:
    """A publisher that blocks at its mark gets everything through a forwarder to a slow SUB."""
    async with (
        XSub(bind="inproc://front", receive_hwm=10) as frontend,
        XPub(bind="inproc://back", send_hwm=10, on_full="block") as backend,
        Pub(connect="inproc://front", send_hwm=10, on_full="block") as pub,
        Sub(connect="inproc://back", topics="", receive_hwm=10) as sub,
        running(frontend, backend),
    ):
        await pub.wait_for_subscribers()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def publish() -> None:
                for number in range(200):
                    await pub.send(b"%d" % number)

            await eventually(lambda: pub.statistics().tasks_waiting_send == 1)
            assert 20 <= pub.statistics().accepted <= 60
            received = [bytes(await sub.receive()) for _ in range(200)]
        assert received == [b"%d" % number for number in range(200)]


@departs(Departure.SLOW_CAPTURE_MISSES)
async def test_proxy_with_a_full_capture() -> None:
    """A capture that nobody reads stops the proxy."""
    async with (
        Pull(bind="inproc://front") as frontend,
        Push(bind="inproc://back") as backend,
        Push(bind="inproc://tap", send_hwm=1, linger=0) as tap,
        Push(connect="inproc://front") as source,
        Pull(connect="inproc://back") as sink,
        Pull(connect="inproc://tap", receive_hwm=1),
        running(frontend, backend, tap),
    ):
        for number in range(10):
            await source.send(b"%d" % number)
            assert await sink.receive() == (b"%d" % number,)
        assert tap.statistics().dropped == {trio_mq.DropReason.HIGH_WATER_MARK: 8}


@pytest.mark.parametrize("verbose", ["none", "subscribe", "all"])
async def test_the_last_subscriber_behind_a_proxy_ends_the_subscription_upstream(
    place: str, verbose: Verbosity
) -> None:
    """However many subscriptions were reported: a publisher does not send to nobody for ever."""
    async with (
        XPub(verbose="all") as app,
        XSub(connect=await app.bind(place)) as front,
        XPub(verbose=verbose) as back,
    ):
        out = await back.bind(place.replace("meeting", "out"))
        for _ in "12":  # a proxy that is stopped and started again knows what it passed on
            async with running(front, back):
                subs = [Sub(connect=out, topics="t") for _ in "12"]
                async with opened(subs):
                    await back.wait_for_subscribers(2)
                    assert (await app.receive()).subscription == (True, b"t")
                    await trio.testing.wait_all_tasks_blocked(0.01)
                    async with running(front, back):
                        pass
                assert (await app.receive()).subscription == (False, b"t")


@pytest.mark.parametrize(
    "options", [{"verbose": "none"}, {"verbose": "subscribe"}, {"verbose": "all"}, {"manual": True}]
)
@pytest.mark.parametrize("cancels", [True, False])
async def test_an_end_ends_whatever_was_reported(
    options: dict[str, bool | Verbosity],
    cancels: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    """Also for subscribers that ask twice, as XSUB of libzmq does, and for those who just leave."""
    async with (
        XPub(bind="inproc://app", verbose="all") as app,
        XSub(connect="inproc://app") as front,
        XPub(**options) as back,  # type: ignore[arg-type]  # each has one of them
        running(front, back),
    ):
        endpoint = await back.bind("tcp://127.0.0.1:*")
        for _ in "12":
            async with await connect(endpoint) as one, await connect(endpoint) as two:
                for stream in (one, two):
                    await stream.send_all(hello(b"XSUB") + message(b"\1t") * 2 + ping())
                    said = bytearray()
                    while b"PONG" not in said:  # so all before the PING was read
                        said += await stream.receive_some()
                assert (await app.receive()).subscription == (True, b"t")
                await trio.testing.wait_all_tasks_blocked()
                if cancels:
                    for stream in (one, two):
                        await stream.send_all(message(b"\0t"))
                    assert (await app.receive()).subscription == (False, b"t")
            if not cancels:
                assert (await app.receive()).subscription == (False, b"t")


async def test_a_proxy_waits_for_the_first_peer_of_its_capture(place: str) -> None:
    """The first copy is not lost because the two have just been opened."""
    async with (
        Pull() as source,
        Push() as sink,
        Push() as tap,
        Push() as sender,
        Pull() as receiver,
    ):
        await sender.connect(await source.bind(place), wait=True)
        await receiver.connect(await sink.bind(place.replace("meeting", "sink")), wait=True)
        tapped = await tap.bind(place.replace("meeting", "tap"))
        await sender.send(b"first")
        async with running(source, sink, tap):
            await trio.testing.wait_all_tasks_blocked()
            async with Pull(connect=tapped) as capture:
                assert await receiver.receive() == (b"first",)
                assert await capture.receive() == (b"first",)


async def test_a_proxy_does_not_wait_for_its_capture_for_ever(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """After a second it goes on, and what the capture misses is counted."""
    async with (
        Pull(bind="inproc://in") as source,
        Push(bind="inproc://out") as sink,
        Push(bind="inproc://tap") as tap,
        Push(connect="inproc://in") as sender,
        Pull(connect="inproc://out") as receiver,
        running(source, sink, tap),
    ):
        await sender.send(b"first")
        assert await receiver.receive() == (b"first",)
        assert tap.statistics().dropped_outgoing == {DropReason.HIGH_WATER_MARK: 1}
