"""Commands, envelopes and messages that a peer should not send to a socket of that type."""

from __future__ import annotations

import tracemalloc

import attrs
import pytest
import trio

from tests.hostile.arena import PLACES, BadPeer, Place, arena, play
from tests.hostile.good_peers import unread
from tests.hostile.wire import command, hello, message, ping, prop
from trio_mq import (
    Disconnected,
    DropReason,
    Limits,
    Pair,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Router,
    Sub,
    open_socket,
)

PUSH = hello(b"PUSH")
FOO = command(b"FOO")


@attrs.frozen
class Bad:
    """Bytes after the handshake that end the connection."""

    name: str
    said: bytes
    reason: str


BAD = [
    Bad("B60 PING without ttl", command(b"PING"), "malformed-command"),
    Bad("B60 PING with half a ttl", command(b"PING", b"\0"), "malformed-command"),
    Bad("B60 context of 17 bytes", ping(0, bytes(17)), "malformed-command"),
    Bad("PONG with 17 bytes", command(b"PONG", bytes(17)), "malformed-command"),
    Bad("B61 PINGs without end", ping() * 10_000, "ping-flood"),
    Bad("B67 JOIN of 256 bytes", command(b"JOIN", b"g" * 256), "malformed-command"),
    Bad("B67 JOIN with a zero", command(b"JOIN", b"a\0b"), "malformed-command"),
    Bad("B72 unknown commands", FOO * 101, "unknown-commands"),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
async def test_a_wrong_command_ends_the_connection(case: Bad, place: Place) -> None:
    """So does one too many of the right ones."""
    outcome = await play(Pull(linger=0), place, PUSH + case.said)
    assert isinstance(outcome.end, Disconnected)
    assert (outcome.reason, outcome.delivered) == (case.reason, [])


HARMLESS = {
    "B60 empty context": ping(0xFFFF),
    "B60 shortest ttl": ping(1),
    "B60 context of 16 bytes": ping(0, b"0123456789abcdef"),
    "B62 PONGs that nobody asked for": command(b"PONG") * 20_000,
    "B62 PONGs with times": command(b"PONG", b"-inf") + command(b"PONG", b"nan"),
    "B63 SUBSCRIBE": command(b"SUBSCRIBE", b"A"),
    "B63 CANCEL": command(b"CANCEL", b"A"),
    "B63 JOIN": command(b"JOIN", b"A"),
    "B67 LEAVE": command(b"LEAVE", b"unknown"),
    "B72 as many unknown commands as allowed": FOO * 100,
}
#: Each receives from a peer of the other type, a message of these frames.
RECEIVERS = {"PULL": "PUSH", "SUB": "PUB", "ROUTER": "DEALER", "DEALER": "ROUTER", "REP": "REQ"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", HARMLESS)
@pytest.mark.parametrize("ours", RECEIVERS)
async def test_a_harmless_command_is_no_message(ours: str, case: str, place: Place) -> None:
    """Nobody sees it but the protocol, and the message after it arrives."""
    socket = open_socket(ours, linger=0)
    if isinstance(socket, Sub):
        socket.subscribe(b"")
    said = hello(RECEIVERS[ours].encode()) + HARMLESS[case] + message(b"", b"hello")
    outcome = await play(socket, place, said, leave=True)
    assert outcome.reason == "eof"
    assert [bytes(delivered[-1]) for delivered in outcome.delivered] == [b"hello"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("context", [b"", b"x", b"0123456789abcdef"])
async def test_b60_a_pong_repeats_the_context_alone(context: bytes, place: Place) -> None:
    """No other byte of ours goes out with it."""
    async with arena(Pull(linger=0), place) as stage, stage.bad_peer() as bad:
        await bad.say(PUSH)
        greeted = len(hello(b"PULL"))
        await bad.hear(greeted)
        await bad.say(message(b"SECRET") + ping(10, context))
        pong = command(b"PONG", context)
        assert (await bad.hear(greeted + len(pong)))[greeted:] == pong
        await bad.leave()


async def test_b60_a_peer_can_make_us_impatient_only_down_to_a_limit() -> None:
    """Its time to live of a tenth of a second counts as our shortest."""
    ours = Pull(linger=0, limits=Limits(min_remote_ttl=0.3))
    began = trio.current_time()
    assert (await play(ours, "connecting", PUSH + ping(1))).reason == "heartbeat"
    assert trio.current_time() - began >= 0.3


async def test_b61_answers_that_nobody_reads_do_not_pile_up() -> None:
    """A newer PONG takes the place of an older one."""
    ours = Pull(linger=0, limits=Limits(max_ping_burst=10**6))
    async with arena(ours, "connecting") as stage, stage.bad_peer() as bad:
        await bad.say(PUSH)
        await ours.wait_for_peers(2)
        pings = ping(0, b"0123456789abcdef") * 20_000
        tracemalloc.start()
        await bad.say(pings)
        await bad.say(message(b"end"))
        assert await ours.receive() == (b"end",)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2**20
        await bad.reset()


async def test_a_ping_before_a_flood_does_not_make_us_ping_without_a_pause() -> None:
    """Who isn't read is shown signs of life at its own rhythm, but two PINGs at once are none."""
    ours = Pull(linger=0, receive_hwm=5)
    async with arena(ours, "connecting") as stage, stage.bad_peer() as bad:
        await bad.say(PUSH + ping(10) + ping(10))
        greeted = len(hello(b"PULL") + command(b"PONG"))
        await bad.hear(greeted)
        began = trio.current_time()
        await bad.say(message(b"a") * 10)
        pings = (await bad.hear(greeted + 100)).count(b"\4PING")
        # At most one each 20 ms, so at least five of them have taken this time.
        assert pings < 2 + (trio.current_time() - began) / 0.02
        assert [await ours.receive() for _ in range(10)] == [(b"a",)] * 10
        await bad.leave()


# -- request and reply ---------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
async def test_b68_a_request_without_a_delimiter_is_dropped(place: Place) -> None:
    """Nobody could be answered; the next one can."""
    said = hello(b"DEALER") + message(b"a") + message(b"a", b"b") + message(b"", b"good")
    outcome = await play(Rep(linger=0), place, said, leave=True)
    assert (outcome.reason, outcome.delivered) == ("eof", [(b"good",)])


@pytest.mark.parametrize("place", PLACES)
async def test_b68_an_envelope_of_a_hundred_frames_comes_back(place: Place) -> None:
    """A reply goes out in the envelope of its request, whatever that was."""
    ours = Rep(linger=0)
    envelope = [b"%d" % number for number in range(100)]
    async with arena(ours, place) as stage, stage.bad_peer() as bad:
        await bad.say(hello(b"DEALER") + message(*envelope, b"", b"request"))
        assert await ours.receive() == (b"request",)
        await ours.send(b"reply")
        reply = message(*envelope, b"", b"reply")
        said = hello(b"REP", prop(b"X-Correlate", b"1")) + reply
        assert (await bad.hear(len(said))).endswith(reply)
        await bad.leave()


@pytest.mark.parametrize("place", PLACES)
async def test_b68_a_reply_without_a_delimiter_ends_the_connection(place: Place) -> None:
    """It is not known whose it is."""
    outcome = await play(Req(linger=0), place, hello(b"REP") + message(b"a"))
    assert outcome.reason == "envelope"


@pytest.mark.parametrize("place", PLACES)
async def test_b70_replies_to_nothing_are_dropped(place: Place) -> None:
    """Before a request, with an id that is none of ours, and of nothing but a delimiter."""
    said = [message(b"", b"a"), message(b"1234", b"", b"a"), message(b"", b"", b""), message(b"")]
    ours = Req(linger=0)
    outcome = await play(ours, place, hello(b"REP") + b"".join(said), leave=True)
    assert outcome.reason == "eof"
    assert ours.statistics().dropped[DropReason.FILTERED] == len(said)


async def test_b70_a_request_has_one_reply() -> None:
    """What the peer said before it and what it says again after it are nobody's."""
    async with Req(linger=0) as ours:
        endpoint = await ours.bind("tcp://127.0.0.1:*")
        port = int(endpoint.rpartition(":")[2])
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            bad = BadPeer(stream)
            await bad.say(hello(b"REP") + message(b"", b"early"))
            await ours.wait_for_peers()
            await trio.testing.wait_all_tasks_blocked()
            for word in (b"first", b"second"):
                await ours.send(word)
                while message(b"", word) not in bad.heard:
                    await bad.hear(len(bad.heard) + 1)
                await bad.say(message(b"", b"to " + word) + message(b"", b"again"))
                assert await ours.receive() == (b"to " + word,)
                await trio.testing.wait_all_tasks_blocked()
    assert ours.statistics().dropped[DropReason.FILTERED] == 3


# -- messages to those who read none -------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
async def test_b71_a_push_hangs_up_on_who_talks_to_it(place: Place) -> None:
    """After a few, which it counts and drops."""
    said = hello(b"PULL") + message(b"a") * 17
    outcome = await play(Push(linger=0), place, said)
    assert outcome.reason == "unexpected-message"


@pytest.mark.parametrize("place", PLACES)
async def test_b71_how_many_messages_a_push_bears_is_a_limit(place: Place) -> None:
    """Two are dropped and counted; the third ends the connection."""
    limits = Limits(max_unexpected_messages=2)
    ours = Push(linger=0, limits=limits)
    assert (await play(ours, place, hello(b"PULL") + message(b"a") * 2, leave=True)).reason == "eof"
    assert ours.statistics().dropped[DropReason.FILTERED] == 2
    outcome = await play(Push(linger=0, limits=limits), place, hello(b"PULL") + message(b"a") * 3)
    assert outcome.reason == "unexpected-message"


@pytest.mark.parametrize("place", PLACES)
async def test_b71_a_pub_drops_what_is_said_to_it(place: Place) -> None:
    """Without keeping it."""
    ours = Pub(linger=0)
    said = hello(b"SUB") + message(b"a") * 1000 + message(b"\1a", b"b")
    assert (await play(ours, place, said, leave=True)).reason == "eof"
    assert ours.statistics().dropped[DropReason.FILTERED] == 1001


async def test_b71_a_second_peer_of_a_pair_is_turned_away() -> None:
    """Without a READY, while the first gives signs of life."""
    async with Pair(linger=0) as ours, Pair(linger=0) as good:
        endpoint = await ours.bind("tcp://127.0.0.1:*")
        await good.connect(endpoint, wait=True)
        await ours.wait_for_peers()
        with ours.events() as events:
            bad = await trio.open_tcp_stream("127.0.0.1", int(endpoint.rpartition(":")[2]))
            await bad.send_all(hello(b"PAIR") + message(b"me too"))
            said = b"".join([data async for data in bad])
            await bad.aclose()
            reasons = [getattr(await events.receive(), "reason", "accepted") for _ in range(2)]
        assert (said[64:], reasons) == (b"", ["accepted", "pair-occupied"])
        await good.send(b"mine")
        assert await ours.receive() == (b"mine",)


# -- routing ids ---------------------------------------------------------------------------------

DUP = hello(b"DEALER", b"\x08Identity\0\0\0\3dup")


async def test_b69_a_routing_id_belongs_to_one_peer() -> None:
    """The second to claim it is turned away while the first gives signs of life."""
    ours = Router(linger=0)
    async with arena(ours, "connecting") as stage, stage.bad_peer() as first:
        await first.say(DUP)
        await ours.wait_for_peers(2)
        async with stage.bad_peer() as second:
            await second.say(DUP + message(b"from the second"))
            await first.hear(len(hello(b"ROUTER", b"\x08Identity\0\0\0\0")) + 1)
            await first.say(message(b"from the first"))
            assert (await second.hear_all())[64:] == b""
            assert (await stage.end()).reason == "routing-id-in-use"
        assert await ours.receive() == (b"dup", b"from the first")
        assert list(unread(ours)) == []
        await first.leave()


async def test_b69_a_handover_goes_to_the_last_who_claims_it() -> None:
    """The one before it is cut off, and nothing goes to it any more."""
    ours = Router(linger=0, handover=True)
    async with arena(ours, "connecting") as stage, stage.bad_peer() as first:
        await first.say(DUP)
        await ours.wait_for_peers(2)
        async with stage.bad_peer() as second:
            await second.say(DUP + message(b"from the second"))
            await first.hear_all()
            assert await ours.receive() == (b"dup", b"from the second")
            await ours.send([b"dup", b"answer"])
            greeted = len(hello(b"ROUTER", b"\x08Identity\0\0\0\0"))
            assert (await second.hear(greeted + 8))[greeted:] == message(b"answer")
            await second.leave()


async def test_b69_a_routing_id_is_free_again_when_its_peer_has_left() -> None:
    """However often it comes back."""
    ours = Router(linger=0)
    async with arena(ours, "connecting") as stage:
        for number in range(200):
            async with stage.bad_peer() as bad:
                await bad.say(DUP + message(b"%d" % number))
                assert await ours.receive() == (b"dup", b"%d" % number)
                await bad.leave()
            for peer in ours.peers:
                if peer.routing_id == b"dup":
                    await peer.wait_closed()


# -- balance -------------------------------------------------------------------------------------


async def test_b75_peers_without_a_handshake_are_given_no_work() -> None:
    """A hundred that are silent and a hundred that only greet: all goes to the good one."""
    ours = Push(linger=0)
    async with ours, Pull(linger=0) as good:
        endpoint = await ours.bind("tcp://127.0.0.1:*")
        port = int(endpoint.rpartition(":")[2])
        idlers = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(200)]
        for idler in idlers[100:]:
            await idler.send_all(hello(b"PULL")[:64])
        await good.connect(endpoint, wait=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_all, ours, [b"%d" % number for number in range(1000)])
            got = [bytes(await good.receive()) for _ in range(1000)]
        assert got == [b"%d" % number for number in range(1000)]
        for idler in idlers:
            await idler.aclose()


async def _send_all(ours: Push, messages: list[bytes]) -> None:
    for each in messages:
        await ours.send(each)


async def test_commands_without_a_meaning_leave_others_their_turns() -> None:
    """Tens of thousands in a few reads: other tasks run again after every few hundred of them."""
    commands, turns = 20_000, 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with arena(Pull(linger=0), "connecting") as stage, stage.bad_peer() as bad:
        await bad.say(PUSH)
        await stage.ours.wait_for_peers(2)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_turns)
            await bad.say(command(b"JOIN", b"g") * commands + message(b"last"))
            assert await stage.ours.receive() == (b"last",)
            nursery.cancel_scope.cancel()
        await bad.leave()
    assert turns >= commands // 1000
