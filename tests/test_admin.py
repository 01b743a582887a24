"""What an operator sees of a program from outside."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import cast

import pytest
import trio
import trio.testing

import trio_mq
from trio_mq import Context, Dealer, DropReason, Pub, Pull, Push, Rep, Req, Router, Sub, admin
from trio_mq.admin import Json


def described(data: dict[str, Json], kind: str) -> dict[str, Json]:
    """Return what is said of the only socket of a type."""
    sockets = cast("list[dict[str, Json]]", data["sockets"])
    (found,) = [socket for socket in sockets if socket["type"] == kind]
    return found


def part(data: dict[str, Json], name: str) -> dict[str, Json]:
    """Return an object in an object."""
    return cast("dict[str, Json]", data[name])


def parts(data: dict[str, Json], name: str) -> list[dict[str, Json]]:
    """Return the objects in a list."""
    return cast("list[dict[str, Json]]", data[name])


async def test_a_snapshot_has_endpoints_peers_queues_drops_and_tasks() -> None:
    """Everything that a socket tells its own program."""
    async with (
        Push(linger=0) as push,
        Pull() as pull,
        Pub(bind="inproc://news") as pub,
        trio.open_nursery() as nursery,
    ):
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        await push.connect(endpoint, wait=True)
        await push.connect("inproc://nobody")
        for _ in range(4):
            await push.send(b"four")
        await pull.receive()
        await pull.receive()
        await pub.send(b"for nobody")
        nursery.start_soon(pull.receive)
        await trio.testing.wait_all_tasks_blocked()
        data = admin.snapshot()
        nursery.cancel_scope.cancel()
    assert data == json.loads(json.dumps(data))
    assert data["pid"] == os.getpid()
    sender, receiver = described(data, "Push"), described(data, "Pull")
    by_name = {each["endpoint"]: each for each in parts(sender, "endpoints")}
    assert by_name[endpoint]["state"] == "connected"
    assert by_name["inproc://nobody"]["queued"] == 2
    assert part(sender, "statistics")["waiting_to_send"] == 2
    (peer,) = parts(receiver, "peers")
    assert (peer["socket_type"], peer["endpoint"]) == ("PUSH", endpoint)
    assert part(peer, "statistics")["decoded"] == 2
    assert part(receiver, "statistics")["tasks_waiting_receive"] == 1
    filtered = part(part(described(data, "Pub"), "statistics"), "dropped_outgoing")
    assert filtered == {DropReason.NO_PEER.value: 1}


async def test_a_snapshot_says_why_an_endpoint_is_down() -> None:
    """In words, since an operator reads it."""
    async with Push(linger=0) as push, Rep(bind="inproc://wrong"):
        await push.connect("inproc://wrong")
        (status,) = parts(described(admin.snapshot(), "Push"), "endpoints")
    assert status["state"] == "failed"
    assert "cannot talk to a peer of type REP" in str(status["last_error"])


async def test_what_json_cannot_say_is_written_as_text() -> None:
    """Ids that are no text, and times that never come."""
    async with (
        Router(bind="inproc://r") as router,
        Dealer(routing_id=b"plain", connect="inproc://r"),
        Dealer(routing_id=b"\xff\x00", connect="inproc://r"),
        Dealer(routing_id="Zoë".encode(), connect="inproc://r"),
        Dealer(routing_id=b"line\nbreak", connect="inproc://r"),
    ):
        await router.wait_for_peers(4)
        peers = parts(described(admin.snapshot(), "Router"), "peers")
    names = [peer["routing_id"] for peer in peers]
    assert names == ["plain", "0xff00", "Zoë", f"0x{b'line'.hex()}0a{b'break'.hex()}"]


async def test_sockets_keep_their_numbers_and_contexts_apart() -> None:
    """A number is a socket's for life, and no other gets it."""
    context = Context()
    async with Pull(context=context) as first:
        async with Pull(context=context), Push():
            numbers = [each["number"] for each in parts(admin.snapshot(context), "sockets")]
            assert numbers == [1, 2]
        async with Pull(context=context) as third:
            numbers = [each["number"] for each in parts(admin.snapshot(context), "sockets")]
            assert numbers == [1, 3]
            assert admin.sockets(context) == (first, third)


async def test_the_sockets_of_other_threads_are_only_counted() -> None:
    """They can't be looked at from here."""
    context = Context()
    seen: list[Json] = []

    async def elsewhere() -> None:
        async with Pull(context=context):
            seen.append(admin.snapshot(context)["other_threads"])

    async with Pull(context=context), Push(context=context):
        await trio.to_thread.run_sync(trio.run, elsewhere)
        data = admin.snapshot(context)
    assert seen == [2]
    assert data["other_threads"] == 0
    assert len(parts(data, "sockets")) == 2


async def ask(endpoint: str, request: bytes = b"") -> dict[str, Json]:
    """Ask a program how it is."""
    async with Req(connect=endpoint) as req:
        reply = await req.request(request)
    return cast("dict[str, Json]", json.loads(bytes(reply[-1])))


async def test_whoever_asks_is_answered_and_the_server_is_not_in_the_picture(
    tmp_path: Path,
) -> None:
    """Only this user can ask, over a file of mode 0600."""
    path = tmp_path / "admin"
    async with Pull(bind="inproc://a", context=Context()) as pull, trio.open_nursery() as nursery:
        context = pull._context
        endpoint = await nursery.start(_serve, f"ipc://{path}", context)
        assert endpoint == f"ipc://{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        data = await ask(endpoint)
        assert [each["type"] for each in parts(data, "sockets")] == ["Pull"]
        nursery.cancel_scope.cancel()
    assert not path.exists()


async def _serve(
    endpoint: str | None, context: Context | None, *, task_status: trio.TaskStatus[str]
) -> None:
    await admin.serve(endpoint, context=context, task_status=task_status)


@pytest.mark.parametrize(
    "request_", [b"[]", b"{", b'{"peers": "x"}', b"[" * 1000, bytes(9999), b"\xff"]
)
async def test_nonsense_is_answered_too(request_: bytes, tmp_path: Path) -> None:
    """The next question is answered as ever."""
    async with trio.open_nursery() as nursery:
        endpoint = await nursery.start(_serve, f"ipc://{tmp_path}/admin", None)
        assert "error" in await ask(endpoint, request_)
        assert "sockets" in await ask(endpoint)
        nursery.cancel_scope.cancel()


async def test_of_many_peers_only_some_are_described(tmp_path: Path) -> None:
    """As many as one asks for; their number is told."""
    async with Pub(bind="inproc://pub") as pub, trio.open_nursery() as nursery:
        endpoint = await nursery.start(_serve, f"ipc://{tmp_path}/admin", None)
        async with Sub(connect="inproc://pub"), Sub(connect="inproc://pub"):
            await pub.wait_for_peers(2)
            for wanted, shown in ((1, 1), (5, 2), (-3, 0)):
                data = await ask(endpoint, json.dumps({"peers": wanted}).encode())
                publisher = described(data, "Pub")
                assert (len(parts(publisher, "peers")), publisher["peers_total"]) == (shown, 2)
        nursery.cancel_scope.cancel()


async def test_the_default_endpoint_is_a_place_of_this_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named after the process, where `trio-mq watch` finds it."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    async with trio.open_nursery() as nursery:
        endpoint = await nursery.start(admin.serve)
        assert endpoint == admin.default_endpoint() == f"ipc://{tmp_path}/trio_mq/{os.getpid()}"
        assert stat.S_IMODE((tmp_path / "trio_mq").stat().st_mode) == 0o700
        assert "sockets" in await ask(endpoint)
        nursery.cancel_scope.cancel()
    assert admin.default_endpoint(7) == f"ipc://{tmp_path}/trio_mq/7"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert f"/trio_mq-{os.getuid()}/" in admin.default_endpoint()


async def test_a_folder_that_others_can_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else may have made it, to listen in our place."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "trio_mq").mkdir()
    (tmp_path / "trio_mq").chmod(0o755)
    with pytest.raises(PermissionError, match="not a folder of this user's alone"):
        await admin.serve()


def test_it_is_there_without_an_import_of_its_own() -> None:
    """As the documentation shows it."""
    assert trio_mq.admin is admin
