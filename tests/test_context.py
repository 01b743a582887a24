"""Contexts: names apart, and limits that hold between threads."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

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


def beside_another_run(main: Callable[[], Awaitable[None]], context: Context | None = None) -> None:
    """Run it while another run, in another thread, has ``inproc://name`` bound."""
    bound, over = threading.Event(), threading.Event()

    async def hold() -> None:
        async with Pull(bind="inproc://name", context=context):
            bound.set()
            await trio.to_thread.run_sync(over.wait)

    thread = threading.Thread(target=trio.run, args=(hold,))
    thread.start()
    try:
        assert bound.wait(10)
        trio.run(main)
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("shared", [True, False])
def test_a_name_that_is_bound_in_another_run_is_refused(*, shared: bool) -> None:
    """Messages can't go there: waiting for it would be waiting for ever."""
    context = Context() if shared else None

    async def main() -> None:
        async with Push(context=context) as push:
            for wait in (False, True):
                with pytest.raises(RuntimeError, match=r"another trio run.*tcp:// or ipc://"):
                    await push.connect("inproc://name", wait=wait)
            assert push.endpoints == ()

    beside_another_run(main, context)


def test_contexts_that_a_program_makes_keep_names_apart() -> None:
    """Each run may have the same names then."""

    async def main() -> None:
        context = Context()
        async with (
            Push(connect="inproc://name", context=context) as push,
            Pull(bind="inproc://name", context=context) as pull,
        ):
            await push.send(b"x")
            assert await pull.receive() == b"x"

    beside_another_run(main)


def test_a_name_that_another_run_binds_later_is_told() -> None:
    """To who waits for it; it may still be bound here."""

    async def main() -> None:
        async with Push(connect="inproc://name") as push:
            await trio.to_thread.run_sync(beside_another_run, trio.lowlevel.checkpoint)
            await trio.testing.wait_all_tasks_blocked()
            (status,) = push.endpoints
            assert isinstance(status.last_error, RuntimeError)
            async with Pull(bind="inproc://name") as pull:
                await push.send(b"x")
                assert await pull.receive() == b"x"

    trio.run(main)
