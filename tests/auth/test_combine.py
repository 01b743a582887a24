"""Addresses, and several authenticators as one."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from trio_mq import auth

REQUEST = auth.Request(mechanism="NULL", address="10.1.2.3")


async def allowed(judge: auth.Addresses, address: str) -> bool:
    """Tell whether a peer from there may come in."""
    verdict = await judge(auth.Request(mechanism="NULL", address=address))
    return isinstance(verdict, auth.Granted)


@pytest.mark.parametrize(
    ("allow", "deny", "address", "comes_in"),
    [
        (["10.0.0.0/8"], None, "10.1.2.3", True),
        (["10.0.0.0/8"], None, "11.1.2.3", False),
        (["10.0.0.0/8"], ["10.1.0.0/16"], "10.1.2.3", False),
        (["10.0.0.0/8"], ["10.1.0.0/16"], "10.2.2.3", True),
        (None, ["10.1.2.3"], "10.1.2.3", False),
        (None, ["10.1.2.3"], "10.1.2.4", True),
        (["::1"], None, "::1", True),
        (["::1"], None, "127.0.0.1", False),
        (["fe80::/10"], None, "fe80::1%lo", True),
        (["::ffff:10.0.0.0/104"], None, "10.1.2.3", True),
        (["::/0"], None, "10.1.2.3", False),
        ([], None, "10.1.2.3", False),
        (["10.0.0.0/8"], None, "uid=0 gid=0 pid=7", False),
        (None, ["10.0.0.0/8"], "uid=0 gid=0 pid=7", True),
        ("10.0.0.0/8", None, "10.1.2.3", True),
    ],
)
async def test_peers_are_let_in_by_their_addresses(
    allow: list[str] | None, deny: list[str] | None, address: str, *, comes_in: bool
) -> None:
    """What is denied is denied, whatever is allowed."""
    assert await allowed(auth.Addresses(allow=allow, deny=deny), address) is comes_in


def test_lists_of_no_use_are_refused() -> None:
    """With the value and what is allowed."""
    with pytest.raises(ValueError, match="everybody"):
        auth.Addresses()
    with pytest.raises(ValueError, match=r"allow: .*10\.0\.0\.1/8"):
        auth.Addresses(allow=["10.0.0.1/8"])


def test_a_repr_shows_the_networks() -> None:
    """As people write them."""
    assert repr(auth.Addresses(["10.0.0.0/8"], ["10.1.0.0/16"])) == (
        "<Addresses: 10.0.0.0/8 but 10.1.0.0/16>"
    )
    assert repr(auth.Addresses(deny=["10.0.0.0/8"])) == "<Addresses: all but 10.0.0.0/8>"
    assert repr(auth.Addresses(allow=[])) == "<Addresses: none>"


class Says:
    """An authenticator that gives one answer, and counts how often it is asked."""

    def __init__(self, verdict: object) -> None:
        self.verdict = verdict
        self.asked = 0

    async def __call__(self, request: auth.Request) -> auth.Granted | auth.Refused:
        """Answer."""
        self.asked += 1
        return self.verdict  # type: ignore[return-value]


ALICE = auth.Granted("alice", {"a": b"1"}, revocations=(auth.Revocation(),))
GUEST = auth.Granted(None, {"a": b"2", "b": b"3"}, revocations=(auth.Revocation(),))


async def test_every_lets_in_whom_all_let_in() -> None:
    """The first that names a user does, and what all say comes together."""
    verdict = await auth.every(Says(GUEST), Says(ALICE), Says(auth.Granted("eve")))(REQUEST)
    assert verdict == auth.Granted("alice", {"a": b"1", "b": b"3"})
    assert isinstance(verdict, auth.Granted)
    assert verdict.revocations == GUEST.revocations + ALICE.revocations


async def test_every_stops_at_the_first_refusal() -> None:
    """Nobody else is asked."""
    last = Says(ALICE)
    refusal = auth.Refused(300, "later")
    assert await auth.every(Says(ALICE), Says(refusal), last)(REQUEST) == refusal
    assert last.asked == 0


async def test_either_lets_in_whom_one_lets_in() -> None:
    """Nobody else is asked."""
    last = Says(auth.Refused())
    assert await auth.either(Says(auth.Refused()), Says(ALICE), last)(REQUEST) is ALICE
    assert last.asked == 0


@pytest.mark.parametrize(
    ("statuses", "status"),
    [((400, 400), 400), ((400, 500), 500), ((400, 300), 300), ((500, 300), 300)],
)
async def test_a_refusal_by_all_tells_all_reasons(statuses: tuple[int, int], status: int) -> None:
    """Who may come later is told so, and who could not be judged is no proven stranger."""
    one, two = (Says(auth.Refused(each, f"because {each}")) for each in statuses)
    verdict = await auth.either(one, two)(REQUEST)
    assert verdict == auth.Refused(status, f"because {statuses[0]}; because {statuses[1]}")


@pytest.mark.parametrize("combine", [auth.every, auth.either])
async def test_an_answer_that_is_none_stays_one(combine: object) -> None:
    """Whoever asked refuses then."""
    assert await combine(Says(None))(REQUEST) is None  # type: ignore[operator]


@pytest.mark.parametrize("combine", [auth.every, auth.either])
def test_there_must_be_somebody_to_ask(combine: object) -> None:
    """Every one of none would let everybody in."""
    with pytest.raises(ValueError, match="nobody to ask"):
        combine()  # type: ignore[operator]
    with pytest.raises(TypeError, match="'alice'"):
        combine("alice")  # type: ignore[operator]


@pytest.mark.parametrize("combine", [auth.every, auth.either])
async def test_those_that_watch_watch_together(combine: object) -> None:
    """As long as the whole is let."""

    class Watches(Says):
        watching = False

        async def watch(self) -> None:
            self.watching = True
            try:
                await trio.sleep_forever()
            finally:
                self.watching = False

    one, two = Watches(ALICE), Watches(ALICE)
    judge = combine(one, Says(ALICE), two)  # type: ignore[operator]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(judge.watch)
        await trio.testing.wait_all_tasks_blocked()
        assert one.watching
        assert two.watching
        nursery.cancel_scope.cancel()
    assert not one.watching


def test_a_repr_shows_the_parts() -> None:
    """In their order."""
    judge = auth.every(auth.ALLOW_ANY, auth.either(auth.ALLOW_ANY))
    assert repr(judge) == "every(trio_mq.auth.ALLOW_ANY, either(trio_mq.auth.ALLOW_ANY))"
