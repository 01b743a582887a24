"""The programs of chaos in memory: right ones survive, and what they look for is found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias

import pytest

import trio_mq
from chaos.explored import PROGRAMS
from trio_mq._patterns import req
from trio_mq.testing import Found, Network, explore

Program: TypeAlias = Callable[[Network], Awaitable[None]]


@pytest.fixture
def undebugged() -> Iterator[None]:
    """Let the program find it, and not the debug mode."""
    trio_mq.lowlevel.set_debug(False)
    yield
    trio_mq.lowlevel.set_debug(True)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=list(PROGRAMS))
def test_a_seed_goes_well(program: Program) -> None:
    """One of those of which chaos runs as many as there is time for."""
    assert explore(program, seeds=[1]) == 1


@pytest.mark.usefixtures("undebugged")
def test_a_reply_to_another_request_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bug: all requests that are out have the same id."""
    monkeypatch.setattr(req, "_IDS", 1)
    with pytest.raises(Found):
        explore(PROGRAMS["requests"], seeds=range(1000), patience=2000)
