"""Names that are not there say what to write instead, wherever people look for them."""

from __future__ import annotations

import inspect

import pytest

import trio_mq
from trio_mq import Context, Message, Push, Receiver, Sender, Socket, Sub
from trio_mq._absent import Absent, no_attribute, refuse_names
from trio_mq._pyzmq_names import CONTEXT, GUESSES, METHODS, MODULE, OPTIONS


class Plain:
    """It has nothing."""


refuse_names(Plain, {"old": "use new"})


def test_a_name_that_is_not_there_says_what_to_write() -> None:
    """Of a thing and of its class; and it is an `AttributeError` that knows both."""
    with pytest.raises(
        AttributeError, match=r"^'Plain' object has no attribute 'old': use new$"
    ) as met:
        _ = Plain().old  # type: ignore[attr-defined]
    assert met.value.name == "old"
    with pytest.raises(AttributeError, match=r"^type object 'Plain' has no .* 'old': use new$"):
        _ = Plain.old  # type: ignore[attr-defined]
    assert not hasattr(Plain(), "old")
    assert no_attribute(Plain(), "any") == "'Plain' object has no attribute 'any'"


@pytest.mark.parametrize("name", MODULE)
def test_a_name_of_pyzmqs_module_is_refused_with_what_to_write(name: str) -> None:
    """Where a ported program first fails: ``zmq.PUSH`` has become ``trio_mq.PUSH``."""
    with pytest.raises(AttributeError, match=f"'trio_mq' has no attribute '{name}': .") as caught:
        getattr(trio_mq, name)
    assert MODULE[name] in str(caught.value)


def test_an_option_of_libzmqs_module_is_refused_with_what_to_write() -> None:
    """As in ``setsockopt(trio_mq.LINGER, 0)``; any other name gets Python's own words."""
    with pytest.raises(AttributeError, match=r"'LINGER': give linger=… in seconds"):
        _ = trio_mq.LINGER  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"has no attribute 'Poler'$"):
        _ = trio_mq.Poler  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", CONTEXT)
def test_a_method_of_pyzmqs_context_is_refused_with_what_to_write(name: str) -> None:
    """Of a context and of the class, which is asked for ``instance()``."""
    for asked in (Context(), Context):
        with pytest.raises(AttributeError, match=f"no attribute '{name}': ."):
            getattr(asked, name)


def test_nothing_that_is_there_is_said_to_be_absent() -> None:
    """A new method of the same name takes the place of the remark."""
    for owner in (Message, Context, Push, Sub, Socket, Sender, Receiver):
        for name, member in inspect.getmembers_static(owner):
            assert isinstance(member, Absent) == (not hasattr(owner, name)), name
    assert not MODULE.keys() & set(trio_mq.__all__)


def test_a_remedy_is_a_sentence_of_its_own() -> None:
    """It stands behind a colon or a semicolon, so it begins small and ends without a stop."""
    for table in (CONTEXT, GUESSES, METHODS, MODULE, OPTIONS):
        for name, text in table.items():
            assert not text.endswith("."), name
            assert text[0].islower() or text.startswith(("Windows", "a ")), name
