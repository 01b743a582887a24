"""Options: what is allowed, where it is said, and that nothing else slips through."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from trio_mq import Dealer, Limits, Options, Pull, Push, Router

REFUSED: list[tuple[str, Any, type[Exception]]] = [
    ("send_hwm", 0, ValueError),
    ("send_hwm", -1, ValueError),
    ("send_hwm", 1.5, TypeError),
    ("send_hwm", True, TypeError),
    ("receive_hwm_bytes", 0, ValueError),
    ("max_frames", 0, ValueError),
    ("max_message_size", -1, ValueError),
    ("linger", -0.1, ValueError),
    ("linger", math.nan, ValueError),
    ("linger", None, TypeError),
    ("linger", "10", TypeError),
    ("reconnect_interval", 0, ValueError),
    ("handshake_timeout", None, TypeError),
    ("connect_timeout", 0, ValueError),
    ("heartbeat_interval", 0, ValueError),
    ("message_lifetime", 0, ValueError),
    ("message_lifetime", "1 s", TypeError),
    ("heartbeat_ttl", 65.6, ValueError),
    ("conflate", 1, TypeError),
    ("routing_id", "text", TypeError),
    ("routing_id", b"\x00x", ValueError),
    ("routing_id", bytes(256), ValueError),
    ("on_full", "explode", ValueError),
    ("balance", "fairly", ValueError),
    ("verbose", "loudly", ValueError),
    ("metadata", {"Identity": b"x"}, ValueError),
    ("metadata", {"X-a b": b"x"}, ValueError),
    ("metadata", {"X-a": 7}, TypeError),
    ("metadata", [], TypeError),
    ("limits", {}, TypeError),
    ("max_peers", 0, ValueError),
    ("backlog", 0, ValueError),
    ("welcome_message", "text", TypeError),
    ("hello_message", "text", TypeError),
    ("disconnect_message", "text", TypeError),
]

ALLOWED: list[tuple[str, Any]] = [
    ("send_hwm", None),
    ("send_hwm", 1),
    ("receive_hwm_bytes", None),
    ("max_message_size", 0),
    ("max_frame_size", None),
    ("linger", 0),
    ("linger", math.inf),
    ("connect_timeout", None),
    ("heartbeat_ttl", 65.5),
    ("message_lifetime", None),
    ("message_lifetime", math.inf),
    ("routing_id", b"x" * 255),
    ("routing_id", b""),
    ("on_full", "disconnect"),
    ("balance", "least_queued"),
]


@pytest.mark.parametrize(("name", "value", "kind"), REFUSED)
def test_a_wrong_value_is_refused_with_its_name(
    name: str, value: object, kind: type[Exception]
) -> None:
    """Where it is given, with what would be allowed."""
    with pytest.raises(kind, match=name):
        Options(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "value"), ALLOWED)
def test_values_at_the_edge_are_allowed(name: str, value: object) -> None:
    """They are what was given."""
    assert getattr(Options(**{name: value}), name) == value  # type: ignore[arg-type]


def test_options_cannot_change() -> None:
    """Nothing changes under a live connection; metadata is copied."""
    metadata = {"X-name": "é"}
    options = Options(metadata=metadata)
    metadata["X-name"] = "other"
    assert options.metadata == {"X-name": "é".encode()}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        options.linger = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        options.metadata["X-more"] = b""  # type: ignore[index]


def test_the_default_number_of_peers_leaves_descriptors_to_the_program() -> None:
    """``None`` means as many as the system allows, within reason."""
    assert 16 <= Options().max_peers <= 4096
    assert Options(max_peers=None).max_peers == Options().max_peers


def test_hardened_limits_are_nowhere_looser() -> None:
    """Each is at most the ordinary one; a time-out that was none is one."""
    ordinary, hardened = attrs.asdict(Limits()), attrs.asdict(Limits.hardened())
    looser = {"min_remote_ttl"}  # a longer least time to live is the stricter one
    for name, value in hardened.items():
        if name in looser:
            assert value >= ordinary[name]
        else:
            assert ordinary[name] is None or value <= ordinary[name]


def test_a_socket_has_the_options_of_its_type_only() -> None:
    """The error says who has it, or lists what there is."""
    with pytest.raises(TypeError, match=r"Pull has no option 'colour'; it has .*conflate"):
        Pull(colour="blue")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"Pull has no option 'requeue'; .* of Push and Dealer$"):
        Pull(requeue=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Push has no option 'mandatory'"):
        Push(mandatory=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Dealer has no option 'on_full'"):
        Dealer(on_full="block")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Router has no option 'conflate'"):
        Router(conflate=True)  # type: ignore[call-arg]


async def test_an_endpoint_overrides_what_concerns_a_connection_only() -> None:
    """A pattern's option is not one, and is refused by name."""
    async with Push() as push:
        await push.connect("inproc://any", send_hwm=7, linger=0)
        with pytest.raises(TypeError, match="conflate"):
            await push.connect("inproc://other", conflate=True)  # type: ignore[call-arg]
        with pytest.raises(ValueError, match="send_hwm"):
            await push.connect("inproc://other", send_hwm=0)
        with pytest.raises(ValueError, match="connected already with other options"):
            await push.connect("inproc://any", send_hwm=8)
        assert await push.connect("inproc://any", send_hwm=7, linger=0) == "inproc://any"
        assert len(push.endpoints) == 1
