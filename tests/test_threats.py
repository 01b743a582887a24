"""What the page on threats promises, and the tests that show it."""

from __future__ import annotations

import ast
import functools
import gc
import re
from pathlib import Path
from typing import Final

import pytest

from trio_mq import AuthenticationFailed, Dealer, Router, auth
from trio_mq.zmtp.z85 import z85_decode

TESTS: Final = Path(__file__).parent
PAGE: Final = (TESTS.parent / "docs" / "explanation" / "threats.rst").read_text("utf-8")

#: How each sentence or row begins, and what shows it.
PROMISES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "Nobody gets in through a failure.": (
        ("connections/test_gate.py", "test_b73_a_broken_authenticator_lets_nobody_in"),
        ("connections/test_gate.py", "test_a_handler_that_has_gone_lets_nobody_in"),
        ("auth/test_zap.py", "test_an_authenticator_that_says_nothing_lets_nobody_in"),
    ),
    "There is no way around a mechanism:": (
        ("hostile/test_secured_handshake.py", "test_a_wrong_handshake_ends"),
        (
            "hostile/test_secured_handshake.py",
            "test_b14_no_old_version_passes_by_the_authenticator_of_null",
        ),
        ("connections/test_gate.py", "test_b74_a_server_without_an_authenticator_cannot_be_bound"),
        (
            "interop/test_same_bytes_of_plain.py",
            "test_the_same_handshake_has_the_same_consequences",
        ),
    ),
    "Keys and passwords are in no": (
        ("test_threats.py", "test_nothing_of_ours_shows_a_secret"),
        ("connections/test_wire_log.py", "test_no_secret_gets_into_the_log"),
        ("connections/test_authenticator_failure.py", "test_nothing_of_a_password_is_told"),
        ("zmtp/test_curve.py", "test_no_error_keeps_a_key_alive_in_its_traceback"),
        ("auth/test_passwords.py", "test_what_a_bad_file_says_is_in_no_error"),
    ),
    "Passwords, cookies and vouches are compared": (
        (
            "test_constant_time.py",
            "test_every_comparison_of_the_security_code_was_reviewed",
        ),
    ),
    "Under CURVE every frame has its number:": (
        ("zmtp/test_curve.py", "test_b55_a_count_that_does_not_follow_ends_it"),
        (
            "hostile/test_secured_handshake.py",
            "test_what_is_changed_in_the_traffic_of_curve_ends_it",
        ),
    ),
    "Taking a key away ends its connections.": (
        (
            "connections/test_gate.py",
            "test_revoking_a_key_ends_its_connections_within_an_interval",
        ),
        (
            "interop/test_security.py",
            "test_revoking_a_certificate_ends_the_connection_of_libzmq",
        ),
    ),
    "reads messages": (
        ("zmtp/test_curve.py", "test_metadata_travels_sealed"),
        ("zmtp/test_curve_session.py", "test_the_traffic_is_byte_for_byte_the_same"),
    ),
    "changes, drops or repeats some of them unnoticed": (
        ("zmtp/test_curve.py", "test_b56_what_is_not_sealed_by_the_peer_ends_it"),
        ("sockets/test_tls.py", "test_a_connection_that_is_cut_is_no_plain_end"),
    ),
    "pretends to be the server": (
        ("zmtp/test_curve.py", "test_b53_a_server_with_another_key_can_make_no_welcome"),
        ("sockets/test_tls.py", "test_a_handshake_that_fails_says_why"),
    ),
    "pretends to be a known client": (
        ("zmtp/test_curve.py", "test_b52_a_bad_initiate_ends_it_before_anybody_is_asked"),
        ("sockets/test_tls.py", "test_a_certificate_of_a_client_says_who_it_is"),
    ),
    "reads what was recorded, after stealing a lasting key": (
        ("zmtp/test_curve.py", "test_keys_are_dropped_when_they_have_served"),
        ("zmtp/test_curve.py", "test_b52_a_recorded_session_is_worth_nothing"),
    ),
}
#: What somebody on the way can do whatever we do.
NOT_PROMISED: Final = {"sees who talks to whom, when and how much", "ends a connection"}


def promised() -> list[str]:
    """Return the sentences of the list, and the rows of the table."""
    section = PAGE.partition("What is promised\n")[2].partition("What is not\n")[0]
    sentences = re.findall(r"^\* (.*)", section, flags=re.MULTILINE)
    return [*sentences, *re.findall(r"^   \* - (.+)", PAGE, flags=re.MULTILINE)]


def test_every_promise_has_its_tests() -> None:
    """Whoever promises more shows it here."""
    known = (*PROMISES, *NOT_PROMISED)
    found = {next((k for k in known if text.startswith(k)), text) for text in promised()}
    assert found == set(known)


@pytest.mark.parametrize("promise", PROMISES)
def test_the_tests_of_a_promise_are_there(promise: str) -> None:
    """By their names."""
    for file, name in PROMISES[promise]:
        assert name in defined(TESTS / file), f"{file} has no {name}"


@functools.cache
def defined(file: Path) -> frozenset[str]:
    """Return the names that a file of tests defines."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(file.read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


async def test_nothing_of_ours_shows_a_secret() -> None:
    """Whatever object of the library somebody prints, while peers are there and were refused."""
    # What other tests have left may be in any state.
    earlier = gc.get_objects()
    password, server, alice = "pa55word", auth.CurveKeys.generate(), auth.CurveKeys.generate()
    right, wrong = auth.PlainClient("alice", password), auth.PlainClient("alice", f"{password}!")
    async with Router(linger=0) as router, Dealer(linger=0) as plain, Dealer(linger=0) as sealed:
        listens = await router.bind(
            "tcp://127.0.0.1:*",
            mechanism=auth.PlainServer(),
            authenticator=auth.Passwords({"alice": password}),
        )
        seals = await router.bind(
            "tcp://127.0.0.1:*",
            mechanism=auth.CurveServer(server),
            authenticator=auth.Keys({"alice": alice.public}),
        )
        with router.events():
            await plain.connect(listens, wait=True, mechanism=right)
            async with Dealer(linger=0) as refused:
                with pytest.raises(AuthenticationFailed) as caught:
                    await refused.connect(listens, wait=True, mechanism=wrong)
            client = auth.CurveClient(alice, server=server.public)
            await sealed.connect(seals, wait=True, mechanism=client)
            await router.wait_for_peers(2)
            known = set(map(id, earlier))
            ours = [o for o in gc.get_objects() if is_ours(o) and id(o) not in known]
            shown = [repr(thing) + str(thing) for thing in ours]
        assert any(server.public in text for text in shown)
    shown.append(repr(caught.value))
    raw = [repr(z85_decode(keys.secret))[2:-1] for keys in (server, alice)]
    for secret in (password, server.secret, alice.secret, *raw):
        assert [text for text in shown if secret in text] == []


def is_ours(thing: object) -> bool:
    """Tell whether an object is of a type of the library."""
    return str(type(thing).__module__).partition(".")[0] == "trio_mq"
