"""What a verb does inside its process."""

from __future__ import annotations

import pytest
import trio.testing

from trio_mq import Router, Socket, SocketType
from trio_mq._cli import talking
from trio_mq._cli.formats import Format
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
