"""Attributes that sockets don't have: refused, with what to write instead."""

from __future__ import annotations

import pytest

from trio_mq import Pull, Push, Req, Router, Socket, Sub, XPub

KINDS = [Pull, Push, Req, Router, Sub, XPub]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("linger", "linger=…"),
        ("send_hwm", "send_hwm=…"),
        ("sndhwm", "give send_hwm=… to the constructor"),
        ("SNDHWM", "give send_hwm=… to the constructor"),
        ("rcvtimeo", "fail_after"),
        ("identity", "routing_id=…"),
        ("lingr", r"no attribute 'lingr': .*\(linger=…\)"),
        ("recieve_hwm", r"\(receive_hwm=…\)"),
        ("topics", "topics=…"),
    ],
)
def test_an_option_is_not_set_as_an_attribute(kind: type[Socket], name: str, says: str) -> None:
    """It would be taken in silence, and do nothing."""
    socket = kind()
    with pytest.raises(AttributeError, match=says):
        setattr(socket, name, 1)
    with pytest.raises(AttributeError):
        getattr(socket, name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("recv", r"await socket\.receive\(\)"),
        ("send_multipart", r"await socket\.send\(\["),
        ("setsockopt", "keywords"),
        ("close", "aclose"),
        ("poll", "move_on_after"),
        ("nonsense", "'Push' object has no attribute 'nonsense'$"),
    ],
)
def test_a_method_of_pyzmq_is_named_here(name: str, says: str) -> None:
    """And what nobody has is missing as everywhere."""
    with pytest.raises(AttributeError, match=says):
        getattr(Push(), name)
    assert not hasattr(Push(), name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_socket_may_have_attributes_of_the_program(kind: type[Socket]) -> None:
    """What it keeps with the socket, under any name that nobody takes for an option."""
    socket = kind()
    for name in ("endpoint", "ep", "name", "port", "address", "data", "task", "ready", "state"):
        setattr(socket, name, "mine")
        assert getattr(socket, name) == "mine"


def test_so_may_one_of_a_derived_class() -> None:
    """But none that is called as an option."""

    class Named(Push):
        name = ""

    named = Named()
    named.name = "mine"
    assert named.name == "mine"
    with pytest.raises(AttributeError, match=r"Named\(linger=…\)"):
        named.linger = 0  # type: ignore[attr-defined]


async def test_linger_can_be_given_when_closing() -> None:
    """Instead of the option's."""
    async with Push(linger=1000) as push:
        await push.connect("inproc://nobody")
        await push.send(b"x")
        with pytest.raises(ValueError, match="linger=-1 is not allowed: give seconds from 0"):
            await push.aclose(linger=-1)
        await push.send(b"y")
        await push.aclose(linger=0)
    assert sum(push.statistics().dropped_outgoing.values()) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_there_costs_nothing_to_what_is(kind: type[Socket]) -> None:
    """A ``__getattr__`` would slow down each attribute that a send or receive reads."""
    assert not hasattr(kind, "__getattr__")
    assert kind.__getattribute__ is object.__getattribute__
    socket = kind()
    assert "recv" not in dir(socket)
    assert {"aclose", "_options"} <= set(dir(socket))
