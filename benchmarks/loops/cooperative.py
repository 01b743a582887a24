"""Loops for libraries whose calls are awaited, on trio or on asyncio."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final, TypeAlias

import attrs
import trio

from benchmarks.job import (
    Figures,
    Job,
    Role,
    descriptors_wanted,
    finish,
    ready,
    resident_bytes,
)

from .ring import ROUND, Received, Ring, as_is, payloads
from .stopwatch import Stopwatch

Send: TypeAlias = Callable[[bytes | list[bytes]], Awaitable[object]]
Receive: TypeAlias = Callable[[], Awaitable[Received]]
#: Sends a request and returns its reply.
Exchange: TypeAlias = Callable[[bytes], Awaitable[Received]]
AsyncJob: TypeAlias = Callable[[], Coroutine[object, object, None]]


#: Sockets that are opened to find the time of one.
SOCKETS: Final = 50


@attrs.frozen
class Port:
    """The two calls of an open socket, exactly as its library offers them."""

    send: Send
    receive: Receive


# ------------------------------------------------------------------------------ the two schedulers


@attrs.frozen
class Scheduler:
    """What differs between trio and asyncio around the loops, never inside them."""

    #: Run an async function to its end.
    run: Callable[[AsyncJob], None]
    #: Report and wait for the dismissal, while the library goes on working.
    finish: Callable[[Figures], Awaitable[None]]
    #: Run several async functions at once.
    together: Callable[[Sequence[AsyncJob]], Awaitable[None]]
    #: Run the first to its end, and the second, which has none, as long.
    alongside: Callable[[AsyncJob, AsyncJob], Awaitable[None]]


async def _trio_finish(figures: Figures) -> None:
    await trio.to_thread.run_sync(finish, figures)


async def _trio_together(functions: Sequence[AsyncJob]) -> None:
    async with trio.open_nursery() as nursery:
        for function in functions:
            nursery.start_soon(function)


async def _trio_alongside(main: AsyncJob, endless: AsyncJob) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(endless)
        await main()
        nursery.cancel_scope.cancel()


async def _asyncio_finish(figures: Figures) -> None:
    await asyncio.to_thread(finish, figures)


async def _asyncio_together(functions: Sequence[AsyncJob]) -> None:
    async with asyncio.TaskGroup() as group:
        for function in functions:
            group.create_task(function())


async def _asyncio_alongside(main: AsyncJob, endless: AsyncJob) -> None:
    task = asyncio.create_task(endless())
    await main()
    task.cancel()


TRIO = Scheduler(trio.run, _trio_finish, _trio_together, _trio_alongside)
ASYNCIO = Scheduler(
    lambda main: asyncio.run(main()), _asyncio_finish, _asyncio_together, _asyncio_alongside
)


# --------------------------------------------------------------------------------------- the loops


async def send_rounds(send: Send, ring: Ring, rounds: int) -> None:
    """Send every message, one call each."""
    for _ in range(rounds):
        for message in ring.messages:
            await send(message)


async def receive_rounds(receive: Receive, ring: Ring, rounds: int) -> Figures:
    """Receive and check every message, one call each."""
    watch = Stopwatch.for_rounds(rounds)
    for index in range(rounds):
        watch.round_begins(index)
        for place, portion in enumerate(ring.portions):
            ring.check(place, [await receive() for _ in portion])
    return watch.figures(rounds, len(ring.messages))


async def request_rounds(port: Port, ring: Ring, rounds: int) -> Figures:
    """Send each message and wait for its echo before the next."""
    send, receive = port.send, port.receive
    watch = Stopwatch.for_rounds(rounds)
    for index in range(rounds):
        watch.round_begins(index)
        replies: list[Received] = []
        for message in ring.messages:
            await send(message)
            replies.append(await receive())
        ring.check(0, replies)
    return watch.figures(rounds, len(ring.messages))


async def echo(port: Port, count: int) -> None:
    """Send so many messages back as they came."""
    send, receive = port.send, port.receive
    for _ in range(count):
        await send(await receive())  # type: ignore[arg-type]


async def request_together(
    scheduler: Scheduler, exchanges: Sequence[Exchange], ring: Ring, rounds: int
) -> Figures:
    """Let every exchange take the next message of the round as soon as it has its reply."""
    replies: list[Received] = [None] * len(ring.messages)
    watch = Stopwatch.for_rounds(rounds)
    for index in range(rounds):
        watch.round_begins(index)
        places = iter(range(len(ring.messages)))

        def client(exchange: Exchange, places: Iterator[int] = places) -> AsyncJob:
            async def ask() -> None:
                for place in places:
                    replies[place] = await exchange(ring.messages[place])  # type: ignore[arg-type]

            return ask

        await scheduler.together([client(exchange) for exchange in exchanges])
        ring.check(0, replies)
    return watch.figures(rounds, len(ring.messages))


# --------------------------------------------------------------------------------------- the roles

#: Opens a socket of a kind ("push", "pull", "req", "rep", "router") for a job, bound if it is a
#: server's.
Open: TypeAlias = Callable[[str, Job], AbstractAsyncContextManager[Port]]
#: Opens what sends so many requests at once.
OpenExchanges: TypeAlias = Callable[[Job], AbstractAsyncContextManager[Sequence[Exchange]]]


def exchanges_of_many_sockets(open_port: Open) -> OpenExchanges:
    """Return the way of a library whose REQ sockets have one request on its way at most."""

    def exchange_on(port: Port) -> Exchange:
        async def exchange(message: bytes) -> Received:
            await port.send(message)
            return await port.receive()

        return exchange

    @asynccontextmanager
    async def opened(job: Job) -> AsyncIterator[Sequence[Exchange]]:
        async with AsyncExitStack() as stack:
            yield [
                exchange_on(await stack.enter_async_context(open_port("req", job)))
                for _ in range(job.concurrency)
            ]

    return opened


@attrs.frozen
class Library:
    """A library as the roles need it."""

    scheduler: Scheduler
    open_port: Open
    open_exchanges: OpenExchanges
    #: How it hands out what was sent.
    received: Callable[[bytes | list[bytes]], Received] = as_is

    def ring_for(self, job: Job) -> Ring:
        """Return the ring that the two ends of this job share."""
        frames = payloads(job.size)
        return Ring.of(frames, frames_per_message=job.frames, received=self.received)

    def roles(self) -> dict[str, Role]:
        """Return the roles that any asynchronous library can play."""
        parts = {
            "sender": self._send,
            "receiver": self._receive,
            "requester": self._request,
            "replier": self._reply,
            "requesters": self._request_together,
            "inproc": self._inproc,
            "router": self._route,
            "service": self._route,
            "services": self._serve_both,
            "closing": self._close,
            "sockets": self._open_many,
        }
        return {name: self._as_role(part) for name, part in parts.items()}

    def _as_role(self, part: Callable[[Job], Coroutine[object, object, None]]) -> Role:
        def role(job: Job) -> None:
            self.scheduler.run(lambda: part(job))

        return role

    async def _send(self, job: Job) -> None:
        ring = self.ring_for(job)
        async with self.open_port("push", job) as port:
            await send_rounds(port.send, ring, job.rounds)
            await self.scheduler.finish({})

    async def _receive(self, job: Job) -> None:
        ring = self.ring_for(job)
        async with self.open_port("pull", job) as port:
            ready()
            await self.scheduler.finish(await receive_rounds(port.receive, ring, job.rounds))

    async def _request(self, job: Job) -> None:
        ring = self.ring_for(job)
        async with self.open_port("req", job) as port:
            await self.scheduler.finish(await request_rounds(port, ring, job.rounds))

    async def _reply(self, job: Job) -> None:
        async with self.open_port("rep", job) as port:
            ready()
            await echo(port, job.rounds * ROUND)
            await self.scheduler.finish({})

    async def _request_together(self, job: Job) -> None:
        ring = self.ring_for(job)
        async with self.open_exchanges(job) as exchanges:
            figures = await request_together(self.scheduler, exchanges, ring, job.rounds)
            await self.scheduler.finish(figures)

    async def _inproc(self, job: Job) -> None:
        """Send from one task to another."""
        ring = self.ring_for(job)
        async with self.open_port("pull", job) as pull, self.open_port("push", job) as push:

            async def receive() -> None:
                figures.update(await receive_rounds(pull.receive, ring, job.rounds))

            async def send() -> None:
                await send_rounds(push.send, ring, job.rounds)

            figures: dict[str, float] = {}
            await self.scheduler.together([receive, send])
            await self.scheduler.finish(figures)

    async def _route(self, job: Job) -> None:
        """Send everything back to whom it came from; note the memory when all have connected."""
        descriptors_wanted(job.connections)
        async with self.open_port("router", attrs.evolve(job, frames=2)) as port:
            gc.collect()
            alone = resident_bytes()
            ready()
            first = await port.receive()
            crowded = resident_bytes()
            await port.send(first)  # type: ignore[arg-type]
            await echo(port, job.rounds * ROUND - 1)
            await self.scheduler.finish(
                {"bytes_per_connection": (crowded - alone) / job.connections}
            )

    async def _close(self, job: Job) -> None:
        """Send everything back, and close while all are connected."""
        descriptors_wanted(job.connections)
        async with self.open_port("router", attrs.evolve(job, frames=2)) as port:
            ready()
            await echo(port, job.rounds * ROUND)
            before = time.perf_counter()
        await self.scheduler.finish({"seconds_to_close": time.perf_counter() - before})

    async def _serve_both(self, job: Job) -> None:
        """Answer small requests in one task while another receives large messages."""
        large = attrs.evolve(job, endpoint=job.second_endpoint)
        async with self.open_port("rep", job) as rep, self.open_port("pull", large) as pull:

            async def swallow() -> None:
                while True:
                    await pull.receive()

            async def answer() -> None:
                await echo(rep, job.rounds * ROUND)
                await self.scheduler.finish({})

            ready()
            await self.scheduler.alongside(answer, swallow)

    async def _open_many(self, job: Job) -> None:
        """Open, bind and close one socket after the other."""
        before = time.perf_counter()
        for _ in range(SOCKETS):
            async with self.open_port("pull", job):
                pass
        each = (time.perf_counter() - before) / SOCKETS
        await self.scheduler.finish({"seconds_each": each})
