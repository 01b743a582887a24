"""A reply belongs to one request, in whatever order things happen."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

import attrs
import pytest

from tests.property.services import Kind, Taken, World
from trio_mq import Options

#: Two services each, of which some can bring what is for the other.
TOGETHER: Final = {
    "ours": (Kind.OUR_REP, Kind.OUR_DIALLING_REP),
    "libzmq's": (Kind.REP, Kind.DIALLING_REP),
    "dialling": (Kind.DIALLING_REP, Kind.DIALLING_REP),
    "dialling, one of ours": (Kind.DIALLING_REP, Kind.OUR_DIALLING_REP),
    "routers": (Kind.ROUTER, Kind.ROUTER),
    "router and rep": (Kind.ROUTER, Kind.REP),
    "dialling routers": (Kind.DIALLING_ROUTER, Kind.ROUTER),
    "one of ours and routers": (Kind.OUR_REP, Kind.ROUTER),
}
OPTIONS: Final = {
    "plain": Options(),
    "named": Options(routing_id=b"me"),
    "correlated": Options(correlate=True),
    "correlated and named": Options(correlate=True, routing_id=b"me"),
    "probing": Options(probe=True),
}
#: Walks of so many steps in an ordinary run, for each of the above together.
WALKS: Final = 12
STEPS: Final = 40
THOROUGH_WALKS: Final = 10_000


@attrs.frozen
class Walk:
    """Steps by chance."""

    together: str
    options: str
    seed: int

    def __str__(self) -> str:
        return f"{self.together}, {self.options}, seed {self.seed}"

    def go(self) -> list[str]:
        """Take them, and look after each; return their names. A failure says which led to it."""
        chance = random.Random(f"{self}")
        kinds, kernel = list(TOGETHER[self.together]), random.Random(f"kernel of {self}")
        world = World(kinds, OPTIONS[self.options], lambda: kernel.choice(list(Taken)))
        taken: list[str] = []
        try:
            for _ in range(STEPS):
                names, weights, acts = zip(*world.steps(), strict=True)
                (index,) = chance.choices(range(len(names)), weights)
                taken.append(names[index])
                act = acts[index]
                act()
                world.look()
            world.come_to_rest()
            assert not world.asking, f"{world.asking} are not answered"
        except Exception as error:
            raise AssertionError(f"{self}: {error!r} after {', '.join(taken)}") from error
        return taken


def walks(config: pytest.Config, together: str, options: str) -> Iterator[Walk]:
    """Return as many as are wanted: the same in each ordinary run."""
    thorough = config.getoption("--hypothesis-profile") == "thorough"
    for seed in range(THOROUGH_WALKS if thorough else WALKS):
        yield Walk(together, options, seed)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("together", TOGETHER)
async def test_whatever_happens_a_reply_is_to_what_was_asked(
    pytestconfig: pytest.Config, together: str, options: str
) -> None:
    """Requests, replies, connections and endpoints come and go by chance."""
    for walk in walks(pytestconfig, together, options):
        walk.go()


@pytest.mark.parametrize("options", ["plain", "named"])
async def test_the_same_walk_is_the_same_again(options: str) -> None:
    """What a Req does next hangs on no order by chance: so a failure can be repeated."""
    for together in TOGETHER:
        one, other = (Walk(together, options, 0).go() for _ in range(2))
        assert one == other


async def test_a_plain_request_may_wait_behind_others_for_another_kind_of_service() -> None:
    """None of them has an id there, and each gets its turn."""
    world = World([Kind.OUR_REP], OPTIONS["plain"])
    world.take("dial (0)", "shake hands (0)", "ask", "ask", "give up 0", "ask")
    world.take("lose the connection (0)", "be replaced (0)", "dial (0)", "shake hands (0)")
    world.come_to_rest()
    assert not world.asking


async def test_a_connection_that_is_to_end_for_its_name_is_one_that_is_there() -> None:
    """It was made while the name became unusable; another that is made then moves nothing of it."""
    world = World([Kind.DIALLING_ROUTER, Kind.ROUTER], OPTIONS["named"])
    world.take("dial (0)", "dial (1)", "shake hands (0)", "ask", "write (0)")
    world.take("lose the connection (0)", "shake hands (1)", "dial (0)", "shake hands (0)")
    world.take("lose the connection (0)", "ask", "dial (0)", "shake hands (0)")
    world.come_to_rest()
    assert not world.asking


async def test_a_reply_that_a_service_brings_to_its_next_connection_would_be_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If a Rep of ours did so, which says that it does not."""
    monkeypatch.setattr(Kind, "keeps", Kind.dials)
    world = World([Kind.OUR_DIALLING_REP], OPTIONS["plain"])
    world.take("dial (0)", "shake hands (0)", "ask", "write (0)", "answer 0 (0)")
    world.take("lose the connection (0)", "dial (0)", "shake hands (0)", "ask", "write (0)")
    with pytest.raises(AssertionError, match=r"1 got .*0"):
        world.take("deliver (0)")
