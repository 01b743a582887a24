"""What a verb does inside its process."""

from __future__ import annotations

import pytest
import trio.testing

from trio_mq import Req, Router, Socket, SocketType
from trio_mq._cli import talking
from trio_mq._cli.formats import Format, Frames
from trio_mq._cli.outcome import Exit, Stop
from trio_mq._cli.plan import Plan


async def test_an_event_of_the_last_moment_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watcher of events is woken, and the verb ends before it runs."""

    async def drop_and_end(_plan: Plan, socket: Socket) -> None:
        assert isinstance(socket, Router)
        await trio.testing.wait_all_tasks_blocked()
        socket.send_nowait([b"nobody", b"hello"])
        dropped.append(socket.statistics().dropped)

    dropped: list[object] = []
    monkeypatch.setitem(talking._ROLES, SocketType.ROUTER, drop_and_end)
    plan = Plan(
        kind=SocketType.ROUTER,
        binds=["inproc://last"],
        connects=[],
        options={"mandatory": False},
        format_=Format.LINES,
    )
    await talking.talk(plan)
    assert dropped


async def test_a_time_out_is_for_the_wait_and_not_for_a_command_that_runs(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """No third request comes within a second: both commands finish, and then the verb says so."""

    async def work_for_a_minute(command: str, body: Frames, _plan: Plan) -> Frames:
        await trio.sleep(60)
        return [f"{command} {bytes(body[0]).decode()}".encode()]

    async def ask(question: bytes) -> None:
        replies.append((await req.request(question)).text)

    assert autojump_clock.autojump_threshold == 0
    monkeypatch.setattr(talking, "_run", work_for_a_minute)
    replies: list[str] = []
    plan = Plan(
        kind=SocketType.REP,
        binds=["inproc://commands"],
        connects=[],
        options={},
        format_=Format.LINES,
        command="work",
        jobs=3,
        timeout=1,
    )
    async with Req(connect="inproc://commands") as req, trio.open_nursery() as nursery:
        nursery.start_soon(ask, b"one")
        nursery.start_soon(ask, b"two")
        with pytest.raises(ExceptionGroup) as caught:
            await talking.talk(plan)
        (stop,) = caught.value.exceptions
        assert isinstance(stop, Stop)
        assert (stop.code, "the next request took longer than 1 s" in str(stop)) == (
            Exit.TIME_OUT,
            True,
        )
    assert sorted(replies) == ["work one", "work two"]
