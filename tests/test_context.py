"""Contexts: names apart, and limits that hold between threads."""

from __future__ import annotations

import pytest
import trio

from trio_mq import Context, Pull, Push
from trio_mq._context import default_context


@pytest.mark.parametrize("name", ["max_sockets", "max_threads"])
@pytest.mark.parametrize(("value", "kind"), [(0, ValueError), (True, TypeError), ("1", TypeError)])
def test_a_limit_is_a_whole_number_from_one_on(
    name: str, value: object, kind: type[Exception]
) -> None:
    """The error names it."""
    with pytest.raises(kind, match=name):
        Context(**{name: value})  # type: ignore[arg-type]


async def test_names_of_two_contexts_are_apart() -> None:
    """The same name can be bound in each, and reaches its own."""
    one, two = Context(), Context()
    async with (
        Pull(bind="inproc://name", context=one) as first,
        Pull(bind="inproc://name", context=two) as second,
        Push(connect="inproc://name", context=two) as push,
    ):
        await push.send(b"1")
        assert await second.receive() == (b"1",)
        assert first.peers == ()


async def test_a_name_is_free_again_after_its_socket() -> None:
    """However often."""
    for _ in range(3):
        async with Pull(bind="inproc://again"):
            with pytest.raises(OSError, match="bound already"):
                async with Pull(bind="inproc://again"):
                    pytest.fail("it was entered")


def test_the_default_context_belongs_to_the_run() -> None:
    """Two runs don't share names, so that tests don't meet."""

    async def main() -> Context:
        assert default_context() is default_context()
        return default_context()

    assert trio.run(main) is not trio.run(main)


async def test_its_repr_counts() -> None:
    """For debugging at a limit."""
    context = Context(max_sockets=5)
    async with Pull(context=context):
        assert repr(context) == "<Context 1/5 sockets, 1 threads>"
