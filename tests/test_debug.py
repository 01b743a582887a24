"""The debug mode: each invariant, broken on purpose, ends the run and is named."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from unittest.mock import Mock

import pytest
import trio
import trio.testing

from tests.joined import join
from tests.slices import count_messages_only
from trio_mq import (
    InternalError,
    Message,
    Pull,
    Push,
    Rep,
    Req,
    Router,
    Socket,
    _debug,
    auth,
    lowlevel,
)
from trio_mq._connections import writer
from trio_mq._connections.turn_end import TurnEnd
from trio_mq._connections.watch import Watch
from trio_mq._connections.writer import Writer
from trio_mq._pipes.gathering import EndsTurn
from trio_mq._pipes.pipe import Pipe


@pytest.fixture(autouse=True)
def _debugging() -> Iterator[None]:
    """Watch the sockets of these tests, and leave the switch as it was."""
    before = _debug.is_debugging()
    lowlevel.set_debug(True)
    yield
    lowlevel.set_debug(before)


@contextlib.asynccontextmanager
async def pipeline(way: str = "inproc") -> AsyncIterator[tuple[Push, Pull]]:
    """Join a Push and a Pull."""
    async with Pull(linger=0, receive_hwm=1) as pull, Push(linger=0, send_hwm=1) as push:
        await join(pull, push, way)
        yield push, pull


def pipe_of(socket: Socket) -> Pipe:
    """Return the pipe of a socket's only peer."""
    (pipe,) = socket._members.ledger.pipes
    return pipe


def lose_a_message(push: Push, pull: Pull) -> None:
    """Count a message that is nowhere."""
    pipe_of(push).tally.accepted += 1


def forget_a_message(push: Push, pull: Pull) -> None:
    """Let one that was decoded vanish."""
    pipe_of(pull).tally.decoded += 1


def miscount_bytes(push: Push, pull: Pull) -> None:
    """Let the bytes differ from those of the messages."""
    pipe_of(push).outbound.size += 1


def give_a_pipe_two_connections(push: Push, pull: Pull) -> None:
    """Enter a connection a second time, as another peer's."""
    links = push._members.links
    (link,) = links.values()
    other = object()
    links[other] = link  # type: ignore[index]  # whoever it is, it is another one


def keep_a_ghost(push: Push, pull: Pull) -> None:
    """Let a pipe be chosen that the socket does not know."""
    ghost = Pipe(push._pattern, "inproc://ghost", push._options)
    push._pattern.attach(ghost)


def hold_what_nobody_writes(push: Push, pull: Pull) -> None:
    """Leave a message in hand after its connection."""
    push._members.links.clear()
    pipe_of(push).outbound.queue.append(b"it")
    pipe_of(push).outbound.size += 2
    pipe_of(push).outbound.in_hand = 1


BREAKS: dict[Callable[[Push, Pull], None], str] = {
    lose_a_message: "neither waits, was written nor dropped",
    forget_a_message: "were decoded and neither delivered nor dropped",
    miscount_bytes: "the messages have 0 bytes",
    give_a_pipe_two_connections: "don't belong together",
    keep_a_ghost: "may be chosen and is not there",
    hold_what_nobody_writes: "is being written by nobody",
}


@contextlib.contextmanager
def ended_by(fault: str) -> Iterator[None]:
    """Expect that the run ends with a fault."""
    with pytest.raises(trio.TrioInternalError) as caught:
        yield
    error: BaseException | None = caught.value
    while error is not None and not isinstance(error, InternalError):
        group = error if isinstance(error, BaseExceptionGroup) else None
        error = group.exceptions[0] if group is not None else error.__cause__
    assert fault in str(error)


@pytest.mark.parametrize("break_it", BREAKS, ids=lambda break_it: break_it.__name__)
def test_a_broken_invariant_ends_the_run_and_is_named(
    break_it: Callable[[Push, Pull], None],
) -> None:
    """At the end of the step in which it broke."""

    async def main() -> None:
        async with pipeline() as (push, pull):
            break_it(push, pull)
            await trio.sleep_forever()

    with ended_by(BREAKS[break_it]):
        trio.run(main)


def test_a_receiver_that_waits_for_what_is_there_ends_the_run() -> None:
    """A wake-up was forgotten."""

    async def main() -> None:
        async with pipeline() as (push, pull), trio.open_nursery() as nursery:
            nursery.start_soon(pull.receive)
            await trio.testing.wait_all_tasks_blocked()
            waiters, pull._pattern.receivers.waiters = pull._pattern.receivers.waiters, deque()
            await push.send(b"it")
            pull._pattern.receivers.waiters = waiters
            await trio.sleep_forever()

    with ended_by("wait for a message, and there is one"):
        trio.run(main)


def test_a_box_that_goes_astray_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a count, and is not behind the large box that is being sealed."""

    async def never(_work: Callable[[], None]) -> None:
        await trio.sleep_forever()

    async def main() -> None:
        monkeypatch.setattr(writer, "work_elsewhere", never)
        keys = auth.CurveKeys.generate()
        pull = Pull(mechanism=auth.CurveServer(keys), authenticator=auth.ALLOW_ANY)
        async with pull, Push(mechanism=auth.CurveClient(server=keys.public), linger=0) as push:
            await push.connect(await pull.bind("tcp://127.0.0.1:*"), wait=True)
            await push.send(bytes(2**18))
            await trio.testing.wait_all_tasks_blocked()
            (link,) = push._members.links.values()
            link._connection.ping(0)  # type: ignore[attr-defined]
            await trio.sleep_forever()

    with ended_by("1 boxes have a count after 3, which is being sealed, and 0 wait behind it"):
        trio.run(main)


def test_a_sender_that_waits_for_room_that_is_there_ends_the_run() -> None:
    """A wake-up was forgotten."""

    async def main() -> None:
        async with pipeline() as (push, _), trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(push.send, b"it")
            await trio.testing.wait_all_tasks_blocked()
            pipe_of(push).outbound.hwm += 1
            push._pattern.balance.add(pipe_of(push))
            await trio.sleep_forever()

    with ended_by("wait for room, and there is some"):
        trio.run(main)


@pytest.mark.parametrize("asks", [True, False], ids=["told, and does nothing", "never told"])
@pytest.mark.parametrize("kind", [Writer, Watch])
def test_whoever_waits_for_the_end_of_a_turn_in_vain_ends_the_run(
    kind: type[Writer | Watch], *, asks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written there, and the reader's task that goes on from there."""
    tell = TurnEnd.tell

    def forget(turn_end: TurnEnd, who: EndsTurn) -> None:
        if asks or not isinstance(who, kind):
            tell(turn_end, who)

    async def main() -> None:
        count_messages_only()
        async with (
            Rep(bind="tcp://127.0.0.1:*") as rep,
            Req(connect=rep.endpoints[0].endpoint) as req,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(rep.serve, lambda request: request.message)
            monkeypatch.setattr(TurnEnd, "tell", forget)
            monkeypatch.setattr(kind, "turn_ended", lambda _: False)
            for _ in range(3):
                await req.request(b"request")
            await trio.sleep_forever()

    with ended_by(f"the {kind.__name__.lower()} of 127.0.0.1"):
        trio.run(main)


def test_whoever_was_forgotten_is_missed_though_nothing_runs_any_more() -> None:
    """After the last step it could still be told; trio is about to sleep for ever."""

    async def main() -> None:
        rep = Rep(bind="tcp://127.0.0.1:*")
        async with rep, Req(connect=rep.endpoints[0].endpoint) as req:
            await req.wait_for_peers()
            await trio.testing.wait_all_tasks_blocked()
            (link,) = req._members.links.values()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Writer, "turn_ended", lambda _: False)
                link._writer.gather()  # type: ignore[attr-defined]
                await trio.sleep_forever()

    with ended_by("Req, at the end of a turn: the writer of 127.0.0.1"):
        trio.run(main)


def test_a_routing_id_that_its_pipe_does_not_know_ends_the_run() -> None:
    """One place has one holder."""

    async def main() -> None:
        async with Router() as router, Push() as push:
            pipe = push._members.pipes.new("inproc://any", push._options)
            router._pattern._table.add(pipe, b"one")
            pipe.routing_id = b"two"
            await trio.sleep_forever()

    with ended_by("b'one' names"):
        trio.run(main)


def test_what_a_closed_socket_still_holds_ends_the_run() -> None:
    """Nothing outlives its owner."""

    async def main() -> None:
        async with pipeline("memory") as (push, pull):
            await push.send(b"it")
            await trio.testing.wait_all_tasks_blocked()
            pull._pattern.emptied = Mock()  # type: ignore[method-assign]
        await trio.sleep_forever()

    with ended_by("of a closed socket"):
        trio.run(main)


def test_nothing_is_watched_when_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no instrument, so it costs nothing."""
    lowlevel.set_debug(False)
    monkeypatch.setattr(trio.lowlevel, "add_instrument", None)

    async def main() -> Message:
        async with pipeline() as (push, pull):
            lose_a_message(push, pull)
            await push.send(b"it")
            return await pull.receive()

    assert trio.run(main) == (b"it",)


def test_one_socket_with_many_peers_is_looked_at_less_often() -> None:
    """The cost of a step does not grow with them."""
    looks = []

    class Crowded:
        class ledger:  # noqa: N801  # stands for an attribute
            pipes = range(80)

    def look(pattern: object) -> Iterator[str]:
        looks.append(pattern)
        return iter(())

    observer = _debug._Observer()
    observer._patterns[Crowded()] = 0  # type: ignore[index]  # as far as it is looked at
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_debug, "faults", look)
        for _ in range(22):
            observer.after_task_step(Mock())
    assert len(looks) == 2
