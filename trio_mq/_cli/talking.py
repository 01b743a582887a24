"""What a verb does: it sends messages from stdin or the command line, and prints what comes in.

Each socket type does one of five things: it only sends, only receives, asks, answers, or sends and
receives side by side.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import attrs
import trio

from trio_mq import (
    HandshakeError,
    Message,
    Pub,
    Receiver,
    Rep,
    Req,
    Request,
    Retrying,
    Router,
    Sender,
    Socket,
    SocketType,
    XPub,
    XSub,
    zmtp,
)
from trio_mq._cli.formats import Frames
from trio_mq._cli.outcome import Exit, Stop
from trio_mq._cli.plan import Plan
from trio_mq._cli.streams import Input, Output

_REFUSALS: Final = (HandshakeError, zmtp.RemoteProtocolError)
#: Messages that are written at once.
_BATCH: Final = 1000


async def talk(plan: Plan) -> None:
    """Do what a verb was asked to do, to its end."""
    async with plan.open() as socket, trio.open_nursery() as nursery:
        await nursery.start(_watch, plan, socket)
        for endpoint in plan.binds:
            await socket.bind(endpoint)
        for endpoint in plan.connects:
            await socket.connect(endpoint)
        await _wait_for_peers(plan, socket)
        await _ROLES[plan.kind](plan, socket)
        nursery.cancel_scope.cancel()


async def _wait_for_peers(plan: Plan, socket: Socket) -> None:
    if plan.wait_peers:
        with plan.patience(socket, f"waiting for {plan.wait_peers} peers"):
            if isinstance(socket, (Pub, XPub)):
                await socket.wait_for_subscribers(plan.wait_peers)
            else:
                await socket.wait_for_peers(plan.wait_peers)


@trio.lowlevel.enable_ki_protection
async def _watch(
    plan: Plan,
    socket: Socket,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Print events if they are wanted, and give up if the two ends don't go together."""
    # Only this task closes the stream: elsewhere that would be an error for a task that has just
    # been woken.
    with socket.events() as events:
        task_status.started()
        async for event in events:
            if plan.verbose:
                sys.stderr.write(f"{event}\n")
                sys.stderr.flush()
            # A bound endpoint never gives up: whoever comes next may suit us.
            if isinstance(event, Retrying) and isinstance(event.error, _REFUSALS):
                raise Stop(Exit.REFUSED, str(event.error))


# -- where messages come from --


async def _outgoing(plan: Plan) -> AsyncIterator[Frames]:
    """Yield each message to send, when it is due: from the command line, or from stdin."""
    stdin = Input(plan.format_)
    times = plan.count if plan.count is not None or plan.interval is not None else 1
    number = 0
    while plan.payload is None or times is None or number < times:
        if number and plan.interval is not None:
            await trio.sleep(plan.interval)
        message = plan.payload if plan.payload is not None else await stdin.next()
        if message is None or (plan.payload is None and number == plan.count):
            return
        yield message
        number += 1


def _addressed(plan: Plan, frames: Frames) -> Frames:
    """Return a message with the name of the peer it is for, if one was given."""
    return frames if plan.to is None else [plan.to, *frames]


# -- the five roles --


async def _send_all(plan: Plan, socket: Socket) -> None:
    sender = _sender(socket)
    async for frames in _outgoing(plan):
        with plan.patience(socket, "sending"):
            await sender.send(_addressed(plan, frames))
    with plan.patience(socket, "writing what was sent"):
        await sender.drain()


@trio.lowlevel.enable_ki_protection
async def _receive_all(plan: Plan, socket: Socket) -> None:
    receiver, output = _receiver(socket), Output(plan.format_)
    left = plan.count
    while left is None or left > 0:
        with plan.patience(socket, "the next message"):
            batch = await receiver.receive_many(_BATCH if left is None else min(_BATCH, left))
        await output.put(batch)
        if left is not None:
            left -= len(batch)


async def _both(plan: Plan, socket: Socket) -> None:
    """Send and receive side by side, until what was asked for has come."""
    receiving = attrs.evolve(plan, timeout=None)
    sending = attrs.evolve(plan, count=None)
    sent = trio.Event()
    async with trio.open_nursery() as nursery:

        @trio.lowlevel.enable_ki_protection
        async def send_ours() -> None:
            await _send_all(sending, socket)
            sent.set()

        if plan.count is not None:
            nursery.start_soon(send_ours)
            await _receive_all(plan, socket)
            if plan.payload is not None and plan.interval is None:
                await sent.wait()  # enough may have come before all has gone out
        else:
            nursery.start_soon(_receive_all, receiving, socket)
            await send_ours()
            # The answers to the last message are waited for as long as the user said.
            if plan.timeout is not None:
                await _quiet(socket, plan.timeout)
            else:
                await trio.sleep_forever()
        nursery.cancel_scope.cancel()


async def _quiet(socket: Socket, seconds: float) -> None:
    """Return when nothing has come for that long."""
    before = -1
    while (now := socket.statistics().delivered) != before:  # a pause is what it waits for
        before = now
        await trio.sleep(seconds)


async def _ask_all(plan: Plan, socket: Socket) -> None:
    assert isinstance(socket, Req)  # noqa: S101  # by the table of roles
    output = Output(plan.format_)
    async for frames in _outgoing(plan):
        with plan.patience(socket, "the reply"):
            reply = await socket.request(frames)
        await output.put([reply])


async def _answer_all(plan: Plan, socket: Socket) -> None:
    if plan.command is not None and not (plan.echo or plan.payload):
        await _run_all(plan, plan.command, socket)
        return
    if isinstance(socket, Router) and not plan.echo:
        await _both(plan, socket)
        return
    receiver, sender = _receiver(socket), _sender(socket)
    answers, output = _Answers(plan), Output(plan.format_)
    number = 0
    while plan.count is None or number < plan.count:
        with plan.patience(socket, "the next request"):
            request = await receiver.receive()
        number += 1
        envelope, body = _parted(socket, request)
        await output.put([request])
        reply = await answers.to(body)
        with plan.patience(socket, "sending the reply"):
            await sender.send([*envelope, *reply])
    with plan.patience(socket, "writing the last reply"):
        await sender.drain()


def _parted(socket: Socket, request: Message) -> tuple[Frames, Frames]:
    """Return the frames that go before the reply, and the request."""
    if not isinstance(socket, Router):
        return (), request
    try:
        end = request.index(b"", 1) + 1
    except ValueError:
        end = 1  # from a Dealer that writes no empty frame
    return request[:end], request[end:]


class _Answers:
    """Where replies come from: the request itself, a text, or stdin."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._stdin = Input(plan.format_)

    async def to(self, body: Frames) -> Frames:
        """Return the reply."""
        plan = self._plan
        if plan.echo:
            return body
        if plan.payload is not None:
            return plan.payload
        reply = await self._stdin.next()
        if reply is None:
            raise Stop(Exit.DONE)
        return reply


async def _run_all(plan: Plan, command: str, socket: Socket) -> None:
    """Let commands answer, as many at once as the user said; other requests wait in line."""
    assert isinstance(socket, (Rep, Router))  # noqa: S101  # by the table of roles
    slots, requests = trio.Semaphore(plan.jobs), socket.requests()
    number, late = 0, None
    async with trio.open_nursery() as nursery:
        while plan.count is None or number < plan.count:
            await slots.acquire()
            try:
                with plan.patience(socket, "the next request"):
                    request = await anext(requests)
            except Stop as stop:
                late = stop  # commands that run may finish
                break
            nursery.start_soon(_run_one, plan, command, request, slots)
            number += 1
    with plan.patience(socket, "writing the last reply"):
        await socket.drain()
    if late is not None:
        raise late


@trio.lowlevel.enable_ki_protection
async def _run_one(plan: Plan, command: str, request: Request, slots: trio.Semaphore) -> None:
    reply = await _run(command, request.message, plan)
    if reply is None:
        request.decline()
    else:
        await request.reply(reply)
    slots.release()


async def _run(command: str, body: Frames, plan: Plan) -> Frames | None:
    """Let a command of the shell answer: it reads the request and prints the reply."""
    done = await trio.run_process(
        command,
        shell=True,  # that is what the user has asked for
        stdin=plan.format_.encode(body),
        capture_stdout=True,
        check=False,
        env={**os.environ, "TRIO_MQ_FRAMES": str(len(body))},
    )
    if done.returncode:
        sys.stderr.write(f"trio-mq: {command!r} ended with {done.returncode}: no reply\n")
        return None
    return plan.format_.decode(done.stdout.removesuffix(plan.format_.end or b"\0\0"))


def _sender(socket: Socket) -> Sender:
    assert isinstance(socket, Sender)  # noqa: S101  # by the table of roles
    return socket


def _receiver(socket: Socket) -> Receiver:
    assert isinstance(socket, Receiver)  # noqa: S101  # by the table of roles
    return socket


async def _receive_subscribed(plan: Plan, socket: Socket) -> None:
    assert isinstance(socket, XSub)  # noqa: S101  # by the table of roles
    for topic in plan.topics or [b""]:
        socket.subscribe(topic)
    await _receive_all(plan, socket)


_ROLES: Final[dict[SocketType, Callable[[Plan, Socket], Awaitable[None]]]] = {
    SocketType.REQ: _ask_all,
    SocketType.REP: _answer_all,
    SocketType.DEALER: _both,
    SocketType.ROUTER: _answer_all,
    SocketType.PUB: _send_all,
    SocketType.SUB: _receive_all,
    SocketType.XPUB: _both,
    SocketType.XSUB: _receive_subscribed,
    SocketType.PUSH: _send_all,
    SocketType.PULL: _receive_all,
    SocketType.PAIR: _both,
}
