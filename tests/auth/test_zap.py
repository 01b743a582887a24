"""ZAP's frames, and authenticators of pyzmq."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
import zmq.auth

from trio_mq import auth
from trio_mq.auth.zap import decode_reply, encode_request
from trio_mq.zmtp.metadata import encode_metadata
from trio_mq.zmtp.z85 import z85_decode

KEYS = auth.CurveKeys.generate()


@pytest.mark.parametrize(
    ("request_", "frames"),
    [
        (
            auth.Request(
                mechanism="PLAIN",
                domain="dom",
                address="127.0.0.1",
                username="admin",
                password="secret",  # noqa: S106  # a test's
            ),
            [b"1.0", b"7", b"dom", b"127.0.0.1", b"", b"PLAIN", b"admin", b"secret"],
        ),
        (
            auth.Request(mechanism="CURVE", routing_id=b"me", public_key=KEYS.public),
            [b"1.0", b"7", b"", b"", b"me", b"CURVE", z85_decode(KEYS.public)],
        ),
        (
            auth.Request(mechanism="NULL", address="uid=1 gid=2 pid=3"),
            [b"1.0", b"7", b"", b"localhost:1:2:3", b"", b"NULL"],
        ),
    ],
    ids=["PLAIN", "CURVE", "NULL"],
)
def test_requests_have_the_frames_of_libzmq(request_: auth.Request, frames: list[bytes]) -> None:
    """As they were recorded, but for the peer's routing id, which libzmq mistakes for its own."""
    assert encode_request(request_, b"7") == frames


def test_a_good_reply_is_a_grant() -> None:
    """With user and metadata."""
    reply = [b"1.0", b"7", b"200", b"OK", b"alice", encode_metadata({"Group": b"staff"})]
    assert decode_reply(reply, b"7") == auth.Granted("alice", {"Group": b"staff"})
    assert decode_reply([*reply[:4], b"", b""], b"7") == auth.Granted()


@pytest.mark.parametrize("status", [300, 400, 500])
def test_a_denial_is_a_refusal(status: int) -> None:
    """A user id in it says nothing."""
    reply = [b"1.0", b"7", b"%d" % status, b"why", b"alice", b""]
    assert decode_reply(reply, b"7") == auth.Refused(status, "why")


@pytest.mark.parametrize(
    "reply",
    [
        [],
        [b"1.0", b"7", b"200", b"OK", b"alice"],
        [b"1.0", b"7", b"200", b"OK", b"alice", b"", b""],
        [b"1.1", b"7", b"200", b"OK", b"alice", b""],
        [b"1.0", b"8", b"200", b"OK", b"alice", b""],
        [b"1.0", b"7", b"201", b"OK", b"alice", b""],
        [b"1.0", b"7", b"", b"OK", b"alice", b""],
        [b"1.0", b"7", b"200", b"OK", b"alice", b"\1"],
        [b"1.0", b"7", b"200", b"OK", b"alice", encode_metadata({"Socket-Type": b"PUB"})],
        [b"1.0", b"7", b"200", b"OK", b"x" * 256, b""],
    ],
    ids=[
        "nothing",
        "five frames",
        "seven frames",
        "version",
        "another request",
        "201",
        "no status",
        "metadata",
        "Socket-Type",
        "user id",
    ],
)
def test_a_malformed_reply_is_no_answer(reply: list[bytes]) -> None:
    """It raises, and so lets nobody in."""
    with pytest.raises(ValueError, match=r"."):
        decode_reply(reply, b"7")


# -- pyzmq -----------------------------------------------------------------------------------------


@pytest.fixture
def theirs() -> Iterator[zmq.auth.Authenticator]:
    """Return an authenticator of pyzmq that was not started."""
    with zmq.Context() as context:
        yield zmq.auth.Authenticator(context)


def plain(username: str, password: str, domain: str = "", address: str = "") -> auth.Request:
    """Return a request under PLAIN."""
    return auth.Request(
        mechanism="PLAIN", username=username, password=password, domain=domain, address=address
    )


async def test_passwords_of_pyzmq_let_in_and_refuse(theirs: zmq.auth.Authenticator) -> None:
    """By domain."""
    theirs.configure_plain(domain="*", passwords={"alice": "secret"})
    theirs.configure_plain(domain="lab", passwords={"bob": "other"})
    judge = auth.from_pyzmq(theirs)
    assert await judge(plain("alice", "secret")) == auth.Granted("alice")
    assert await judge(plain("bob", "other", "lab")) == auth.Granted("bob")
    assert await judge(plain("alice", "wrong")) == auth.Refused(400, "Invalid password")
    assert await judge(plain("alice", "secret", "lab")) == auth.Refused(400, "Invalid username")


async def test_certificates_of_pyzmq_let_in_and_refuse(
    theirs: zmq.auth.Authenticator, tmp_path: Path
) -> None:
    """The user is the key, as pyzmq has it."""
    auth.write_certificate(tmp_path, "alice", KEYS)
    theirs.configure_curve(domain="*", location=tmp_path)
    judge = auth.from_pyzmq(theirs)
    known = auth.Request(mechanism="CURVE", public_key=KEYS.public)
    other = auth.Request(mechanism="CURVE", public_key=auth.CurveKeys.generate().public)
    assert await judge(known) == auth.Granted(KEYS.public)
    assert await judge(other) == auth.Refused(400, "Unknown key")


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_callback_of_pyzmq_is_asked(
    theirs: zmq.auth.Authenticator, *, is_async: bool
) -> None:
    """An async one as a trio function."""

    class Provider:
        def callback(self, domain: str, key: bytes) -> object:
            known = key == KEYS.public.encode()
            return self._later(known) if is_async else known

        async def _later(self, known: object) -> object:
            return known

    theirs.configure_curve_callback("*", Provider())
    judge = auth.from_pyzmq(theirs)
    verdict = await judge(auth.Request(mechanism="CURVE", public_key=KEYS.public))
    assert verdict == auth.Granted(KEYS.public)


async def test_addresses_of_pyzmq_are_looked_at(theirs: zmq.auth.Authenticator) -> None:
    """Before anything else."""
    theirs.allow("127.0.0.1")
    theirs.configure_plain(passwords={"alice": "secret"})
    judge = auth.from_pyzmq(theirs)
    assert await judge(plain("alice", "secret", address="127.0.0.1")) == auth.Granted("alice")
    refused = await judge(plain("alice", "secret", address="10.0.0.1"))
    assert refused == auth.Refused(400, "Address not allowed")
    assert await judge(auth.Request(mechanism="NULL", address="127.0.0.1")) == auth.Granted(
        "anonymous"
    )


async def test_an_authenticator_of_an_older_pyzmq_need_not_be_async() -> None:
    """Its method was an ordinary one."""

    class Old:
        zap_socket: object = None

        def handle_zap_message(self, frames: list[bytes]) -> None:
            reply = [b"1.0", frames[1], b"200", b"OK", b"alice", b""]
            self.zap_socket.send_multipart(reply, 0)  # type: ignore[attr-defined]

    assert await auth.from_pyzmq(Old())(plain("a", "b")) == auth.Granted("alice")


async def test_an_authenticator_that_says_nothing_lets_nobody_in() -> None:
    """No answer is a malformed one."""

    class Silent:
        zap_socket: object = None

        async def handle_zap_message(self, frames: list[bytes]) -> None:
            """Say nothing."""

    with pytest.raises(ValueError, match="6 frames, not 0"):
        await auth.from_pyzmq(Silent())(plain("a", "b"))


def test_only_an_authenticator_that_was_not_started_will_do() -> None:
    """One that was answers others."""
    with pytest.raises(TypeError, match="handle_zap_message"):
        auth.from_pyzmq(object())
    started = zmq.auth.Authenticator(zmq.Context())
    started.start()
    try:
        with pytest.raises(ValueError, match="started"):
            auth.from_pyzmq(started)
    finally:
        started.stop()
        started.context.term()
    assert "Authenticator" in repr(auth.from_pyzmq(started))


async def test_an_authenticator_that_is_started_afterwards_lets_nobody_in() -> None:
    """Its answers go to its socket, of which its own thread may be reading."""
    theirs = zmq.auth.Authenticator(zmq.Context())
    theirs.configure_curve(location=zmq.auth.CURVE_ALLOW_ANY)
    ours = auth.from_pyzmq(theirs)
    request = auth.Request(mechanism="CURVE", public_key=KEYS.public)
    assert isinstance(await ours(request), auth.Granted)
    theirs.start()
    try:
        with pytest.raises(RuntimeError, match="was started or stopped"):
            await ours(request)
    finally:
        theirs.stop()
        theirs.context.term()
    with pytest.raises(RuntimeError, match="was started or stopped"):
        await ours(request)
