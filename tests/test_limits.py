"""The table of what strangers may make us hold or do, row by row."""

from __future__ import annotations

from typing import Final

import attrs
import pytest

from trio_mq import Limits, Options, SocketType, _events, open_socket
from trio_mq._connections import doorkeeper
from trio_mq.zmtp import metadata

KIB: Final = 1024
MIB: Final = 1024 * KIB

#: Each limit, its default, and its value for sockets that face strangers.
TABLE: Final[dict[str, tuple[object, object]]] = {
    "max_handshake_frame": (16 * KIB, 4 * KIB),
    "max_subscription_bytes_total": (256 * MIB, 8 * MIB),
    "receive_budget": (256 * MIB, 64 * MIB),
    "max_metadata_bytes": (8 * KIB, 2 * KIB),
    "max_metadata_properties": (64, 16),
    "max_metadata_value": (4 * KIB, KIB),
    "auth_timeout": (5.0, 2.0),
    "max_authentications": (64, 32),
    "max_auth_failures_per_minute": (None, 10),
    "max_accepts_per_second": (None, 200.0),
    "max_accept_burst": (400, 400),
    "max_handshakes_per_second": (500.0, 100.0),
    "max_handshake_burst": (500, 200),
    "max_half_open": (256, 64),
    "max_half_open_per_address": (64, 8),
    "max_peers_per_address": (None, 64),
    "max_unknown_commands": (100, 0),
    "max_subscriptions": (100_000, 1_000),
    "max_subscription_bytes": (8 * MIB, 256 * KIB),
    "max_topic_length": (8 * KIB, 255),
    "max_subscriptions_total": (1_000_000, 100_000),
    "max_topic_lengths": (256, 64),
    "max_pings_per_second": (100.0, 10.0),
    "max_ping_burst": (200, 20),
    "min_remote_ttl": (1.0, 5.0),
    "max_unexpected_messages": (16, 0),
    "frame_progress_timeout": (None, 30.0),
}
#: The same for those that programs choose for ordinary reasons too, and which are options.
OPTIONS: Final[dict[str, tuple[object, object]]] = {
    "handshake_timeout": (10.0, 5.0),
    "connect_timeout": (10.0, 5.0),
    "reconnect_interval_max": (5.0, 60.0),
    "max_frame_size": (64 * MIB, MIB),
    "max_message_size": (128 * MIB, 4 * MIB),
    "max_frames": (8192, 64),
    "receive_hwm": (1000, 1000),
    "receive_hwm_bytes": (16 * MIB, 4 * MIB),
    "send_hwm": (1000, 1000),
    "send_hwm_bytes": (64 * MIB, 8 * MIB),
    "max_peers": (Options().max_peers, 1024),  # what the system's limits leave
    "backlog": (1024, 1024),
    "heartbeat_interval": (None, 10.0),
    "heartbeat_timeout": (None, 30.0),
    "heartbeat_ttl": (None, 30.0),
    "linger": (10.0, 1.0),
    "ipc_mode": (None, 0o600),
}
#: Bounds that nobody has a reason to choose: where each stands, and its value.
CONSTANTS: Final[dict[str, tuple[object, object]]] = {
    "bytes of a routing id": (metadata.MAX_ROUTING_ID, 255),
    "seconds for which an address is blocked": (doorkeeper._BLOCKED, 60.0),
    "addresses whose refusals are remembered": (doorkeeper._REMEMBERED, 10_000),
    "events that wait for one who looks": (_events._KEPT_EVENTS, 1000),
}


def test_the_table_is_whole() -> None:
    """Whoever adds a limit says here what it is, and for strangers."""
    assert set(TABLE) == {field.name for field in attrs.fields(Limits)}


@pytest.mark.parametrize("name", TABLE)
def test_a_limit_has_a_default_and_a_tighter_value(name: str) -> None:
    """Both as in the table; what is `None` has no bound."""
    default, hardened = TABLE[name]
    assert getattr(Limits(), name) == default
    assert getattr(Limits.hardened(), name) == hardened


@pytest.mark.parametrize("name", OPTIONS)
def test_a_limit_that_is_an_option_has_a_default_and_a_tighter_value(name: str) -> None:
    """So that no program is without it by omission."""
    default, hardened = OPTIONS[name]
    assert getattr(Options(), name) == default
    assert getattr(Options(**Options.hardened()), name) == hardened


def test_the_hardened_options_are_those_of_the_table() -> None:
    """And the hardened limits."""
    assert set(Options.hardened()) == {*OPTIONS, "limits"}
    assert Options.hardened()["limits"] == Limits.hardened()


@pytest.mark.parametrize("kind", list(SocketType), ids=lambda kind: kind.value)
def test_every_kind_of_socket_takes_the_hardened_options(kind: SocketType) -> None:
    """As they are."""
    assert open_socket(kind.value, **Options.hardened())._options.max_frames == 64


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_bound_that_is_no_option_is_what_it_was(name: str) -> None:
    """It stands at one place in the code."""
    found, expected = CONSTANTS[name]
    assert found == expected


@pytest.mark.parametrize("name", ["max_handshakes_per_second", "max_accepts_per_second"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_rate_is_above_zero(name: str, value: float) -> None:
    """At zero nobody would ever come in."""
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})  # type: ignore[arg-type]
