"""The table of what strangers may make us hold or do, row by row.

`ROWS` has every bound that a server needs against strangers: what it bounds, where it is set, and
the tests that show it bite. The three tables below it have the values: of limits, of options, and
of what nobody can set.
"""

from __future__ import annotations

import ast
import functools
import os
from pathlib import Path
from typing import Final

import attrs
import pytest

from trio_mq import Limits, Options, SocketType, _events, _log, open_socket
from trio_mq._connections import backoff, doorkeeper, elsewhere, read_size
from trio_mq.zmtp import commands, metadata

KIB: Final = 1024
MIB: Final = 1024 * KIB
TESTS: Final = Path(__file__).parent


@attrs.frozen
class Row:
    """A bound: its limits, options and constants, and the tests in which something runs into it."""

    where: tuple[str, ...]
    shown_by: tuple[tuple[str, str], ...]
    #: Why there is nothing to set, where there is not.
    instead: str = ""


ROWS: Final[dict[str, Row]] = {
    "time from the first byte to a peer, with the question to the authenticator": Row(
        ("handshake_timeout",),
        (
            ("hostile/test_greeting.py", "test_a_handshake_has_a_deadline"),
            ("hostile/test_greeting.py", "test_b03_the_deadline_is_not_put_off_by_bytes"),
            (
                "connections/test_gate.py",
                "test_the_handshake_has_its_time_whatever_the_authenticator_takes",
            ),
        ),
    ),
    "a frame of the handshake": Row(
        ("max_handshake_frame",),
        (("zmtp/test_connection.py", "test_the_limit_of_a_handshake_frame_is_exact"),),
    ),
    "metadata": Row(
        ("max_metadata_bytes", "max_metadata_properties", "max_metadata_value"),
        (
            ("zmtp/test_metadata.py", "test_each_limit_is_exact"),
            (
                "hostile/test_secured_handshake.py",
                "test_b52_too_much_metadata_ends_it_before_anybody_is_asked",
            ),
        ),
    ),
    "a routing id": Row(
        ("bytes of a routing id",),
        (("zmtp/test_metadata.py", "test_a_forbidden_routing_id_is_refused"),),
    ),
    "a frame": Row(
        ("max_frame_size",),
        (
            ("zmtp/test_decoder.py", "test_the_limit_of_a_frame_is_exact"),
            ("zmtp/test_sealed.py", "test_the_limit_of_a_frame_is_that_of_what_is_in_the_box"),
        ),
    ),
    "a message": Row(
        ("max_message_size",), (("zmtp/test_decoder.py", "test_the_limit_of_a_message_is_exact"),)
    ),
    "frames of a message": Row(
        ("max_frames",),
        (
            ("zmtp/test_decoder.py", "test_the_limit_of_frames_is_exact"),
            ("zmtp/test_sealed.py", "test_the_limit_of_frames_holds_in_a_box_too"),
        ),
    ),
    "what waits to be received, of one peer": Row(
        ("receive_hwm", "receive_hwm_bytes"),
        (
            ("hostile/test_framing.py", "test_b26_a_flood_is_held_back_and_not_lost"),
            ("property/test_conservation.py", "test_the_books_balance_after_every_step"),
        ),
    ),
    "what waits to be received, of all": Row(
        ("receive_budget",),
        (
            ("hostile/test_memory.py", "test_many_that_are_here_are_bounded_and_nothing_is_lost"),
            ("hostile/test_memory.py", "test_the_messages_of_those_who_left_are_bounded"),
        ),
    ),
    "what waits to be sent to one peer": Row(
        ("send_hwm", "send_hwm_bytes"),
        (
            ("hostile/test_slow_readers.py", "test_what_waits_is_bounded_and_sends_wait"),
            (
                "test_pipe.py",
                "test_a_message_is_admitted_while_count_and_bytes_before_it_are_below",
            ),
        ),
    ),
    "peers": Row(("max_peers",), (("hostile/test_floods.py", "test_the_limit_of_peers_is_kept"),)),
    "connections without a handshake": Row(
        ("max_half_open",),
        (("hostile/test_floods.py", "test_idlers_make_room_for_who_comes_after_them"),),
    ),
    "connections of one address": Row(
        ("max_half_open_per_address", "max_peers_per_address"),
        (
            ("connections/test_doorkeeper.py", "test_one_address_takes_only_its_part"),
            (
                "connections/test_doorkeeper.py",
                "test_a_newcomer_of_a_full_address_is_closed_with_an_event",
            ),
        ),
    ),
    "connections in a second": Row(
        ("max_accepts_per_second", "max_accept_burst"),
        (("connections/test_doorkeeper.py", "test_connections_are_accepted_at_a_rate"),),
    ),
    "connections that wait in the kernel": Row(
        ("backlog",),
        (("transports/test_tcp_options.py", "test_so_many_wait_in_the_kernel_as_was_asked_for"),),
    ),
    "handshakes that are computed": Row(
        ("max_handshakes_per_second", "max_handshake_burst"),
        (
            ("hostile/test_strangers.py", "test_a_flood_of_good_hellos_gets_only_its_share"),
            ("hostile/test_strangers.py", "test_the_share_is_less_than_a_tenth_of_a_processor"),
        ),
    ),
    "questions to the authenticator": Row(
        ("max_authentications", "auth_timeout"),
        (
            ("connections/test_doorkeeper.py", "test_only_so_many_questions_are_asked_at_a_time"),
            ("connections/test_gate.py", "test_an_authenticator_has_its_time_and_no_more"),
        ),
    ),
    "bad credentials of one address": Row(
        (
            "max_auth_failures_per_minute",
            "seconds for which an address is blocked",
            "addresses whose refusals are remembered",
        ),
        (
            (
                "connections/test_doorkeeper.py",
                "test_who_shows_bad_credentials_too_often_is_blocked",
            ),
            ("connections/test_doorkeeper.py", "test_who_is_remembered_is_bounded"),
        ),
    ),
    "subscriptions of one peer": Row(
        ("max_subscriptions", "max_subscription_bytes", "max_topic_length"),
        (
            ("hostile/test_subscriptions.py", "test_subscriptions_have_limits"),
            ("zmtp/test_traffic.py", "test_the_limit_of_a_topic_is_exact"),
        ),
    ),
    "subscriptions of all, and what an XPub keeps of them": Row(
        ("max_subscriptions_total", "max_subscription_bytes_total"),
        (
            ("strategies/test_blame.py", "test_all_subscriptions_together_are_judged_alike"),
            ("hostile/test_memory.py", "test_the_news_of_those_who_left_are_bounded"),
        ),
    ),
    "lengths of topics": Row(
        ("max_topic_lengths",),
        (
            (
                "hostile/test_hogs.py",
                "test_who_uses_up_the_topic_lengths_is_turned_out_not_who_comes_last",
            ),
        ),
    ),
    "PINGs": Row(
        ("max_pings_per_second", "max_ping_burst"),
        (
            (
                "connections/test_heartbeat.py",
                "test_a_peer_may_ping_as_fast_as_the_limit_says_for_ever",
            ),
        ),
    ),
    "answers to PINGs that wait": Row(
        (),
        (("hostile/test_traffic.py", "test_b61_answers_that_nobody_reads_do_not_pile_up"),),
        "there is one, the last",
    ),
    "a time to live that a peer can impose": Row(
        ("min_remote_ttl",),
        (
            (
                "hostile/test_traffic.py",
                "test_b60_a_peer_can_make_us_impatient_only_down_to_a_limit",
            ),
        ),
    ),
    "silence": Row(
        ("heartbeat_interval", "heartbeat_timeout", "heartbeat_ttl"),
        (("hostile/test_framing.py", "test_b27_heartbeats_end_half_a_frame"),),
        "nobody is sent away for having nothing to say: a heartbeat asks whether it is there",
    ),
    "a frame that does not get on": Row(
        ("frame_progress_timeout",),
        (("hostile/test_hogs.py", "test_a_frame_that_does_not_get_on_ends_its_connection"),),
    ),
    "commands that nobody knows": Row(
        ("max_unknown_commands",),
        (("zmtp/test_traffic.py", "test_unknown_commands_are_ignored_up_to_their_limit"),),
    ),
    "messages for a type that reads none": Row(
        ("max_unexpected_messages",),
        (("hostile/test_traffic.py", "test_b71_how_many_messages_a_push_bears_is_a_limit"),),
    ),
    "the reason in a peer's ERROR": Row(
        ("bytes of a reason",),
        (
            ("zmtp/test_commands.py", "test_a_peers_text_is_printable_and_short"),
            ("hostile/test_handshake.py", "test_b44_a_reason_is_shown_as_text"),
        ),
    ),
    "how often a peer that can't be reached is dialled": Row(
        ("reconnect_interval_max",),
        (("connections/test_backoff.py", "test_old_trouble_doubles_the_bound_up_to_the_longest"),),
    ),
    "how often a peer that refused us or broke the rules is dialled": Row(
        ("seconds after a refusal", "seconds after a fault, at most"),
        (
            ("connections/test_backoff.py", "test_who_does_not_understand_us_is_dialled_seldom"),
            ("connections/test_backoff.py", "test_a_fault_is_never_followed_by_less_than_a_second"),
        ),
    ),
    "time for a connection to be made": Row(
        ("connect_timeout",),
        (
            (
                "transports/test_tcp_dial.py",
                "test_an_address_that_never_answers_ends_with_the_connect_timeout",
            ),
        ),
    ),
    "time that a peer can hold up closing": Row(
        ("linger",), (("hostile/test_slow_readers.py", "test_closing_waits_no_longer_than_linger"),)
    ),
    "events that wait, and lines of the log": Row(
        ("events that wait for one who looks", "seconds between two lines about the same"),
        (
            ("hostile/test_floods.py", "test_the_last_events_are_kept"),
            ("connections/test_doorkeeper.py", "test_the_log_gets_a_line_a_second"),
        ),
    ),
    "time that a large box keeps others waiting": Row(
        ("bytes of a frame whose box is worked on in a thread", "boxes in threads at once"),
        (
            (
                "connections/test_elsewhere.py",
                "test_what_comes_behind_it_waits_and_what_others_send_does_not",
            ),
            ("connections/test_elsewhere.py", "test_messages_of_all_sizes_arrive_in_order"),
            ("connections/test_elsewhere.py", "test_only_so_many_are_worked_on_at_once"),
        ),
    ),
    "bytes that were read and are not decoded": Row(
        ("bytes of a read inside a large frame",),
        (
            ("hostile/test_greeting.py", "test_b13_rubbish_after_a_greeting_is_not_hoarded"),
            ("hostile/test_memory.py", "test_unfinished_messages_stop_nobody"),
        ),
    ),
    "who can open a socket file": Row(
        ("ipc_mode",),
        (
            ("transports/test_ipc.py", "test_a_file_has_the_mode_that_was_asked_for"),
            ("auth/test_request.py", "test_a_peer_over_ipc_is_known_by_its_process"),
        ),
        "the folder is the program's to make, and whose user may come an authenticator says",
    ),
    "versions and mechanisms": Row(
        (),
        (
            (
                "hostile/test_secured_handshake.py",
                "test_b14_no_old_version_passes_by_the_authenticator_of_null",
            ),
            ("zmtp/test_greeting.py", "test_another_mechanism_is_named_together_with_ours"),
            (
                "connections/test_gate.py",
                "test_b74_a_server_without_an_authenticator_cannot_be_bound",
            ),
        ),
        "there is one of each: ZMTP 3, and the mechanism that was given",
    ),
}

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
    "seconds between two lines about the same": (_log._QUIET, 1.0),
    "bytes of a reason": (commands.MAX_REASON, 255),
    "seconds after a refusal": (backoff._AUTHENTICATION, 60.0),
    "seconds after a fault, at most": (backoff._FAULT_MAX, 60.0),
    "bytes of a read inside a large frame": (read_size.MOST_BYTES, 1024 * KIB),
    "bytes of a frame whose box is worked on in a thread": (elsewhere.LARGE, 256 * KIB),
    "boxes in threads at once": (elsewhere.MOST_THREADS, min(4, os.cpu_count() or 1)),
}


def test_the_table_is_whole() -> None:
    """Whoever adds a limit says here what it is, and for strangers."""
    assert set(TABLE) == {field.name for field in attrs.fields(Limits)}


def test_every_limit_is_in_a_row() -> None:
    """With what it is for, and what shows that it bites."""
    assert {name for row in ROWS.values() for name in row.where} == {*TABLE, *OPTIONS, *CONSTANTS}


@pytest.mark.parametrize("what", ROWS)
def test_every_row_is_shown(what: str) -> None:
    """By tests that are there."""
    row = ROWS[what]
    assert row.where or row.instead
    assert row.shown_by
    for file, name in row.shown_by:
        assert name in defined(TESTS / file), f"{file} has no {name}"


@functools.cache
def defined(file: Path) -> frozenset[str]:
    """Return the names that a file of tests defines."""
    tree = ast.parse(file.read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


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
