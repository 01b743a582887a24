"""The question, the answers, and what takes an answer back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

import trio_mq
from trio_mq import auth
from trio_mq.auth.request import bare_address
from trio_mq.zmtp import PeerProperties, SocketType


def test_a_request_under_curve_has_the_key_and_the_claims() -> None:
    """As text, and as the peer spelled them."""
    claimed = PeerProperties(
        socket_type=SocketType.DEALER, routing_id=b"me", metadata={"X-a": b"b"}
    )
    request = auth.Request.of(
        "CURVE",
        (bytes.fromhex("864fd26fb559f75b") * 4,),
        claimed,
        domain="d",
        address="127.0.0.1:5",
        endpoint="tcp://127.0.0.1:4",
    )
    assert request == auth.Request(
        mechanism="CURVE",
        domain="d",
        address="127.0.0.1",
        endpoint="tcp://127.0.0.1:4",
        routing_id=b"me",
        public_key="HelloWorld" * 4,
        metadata={"X-a": b"b"},
    )


def test_a_request_under_plain_has_name_and_password() -> None:
    """Bytes that are no text come through whole."""
    request = auth.Request.of(
        "PLAIN", (b"al\xff", b"\xfe"), None, domain="", address="", endpoint=""
    )
    assert request.username is not None
    assert request.username.encode("utf-8", "surrogateescape") == b"al\xff"
    assert request.password == "\udcfe"  # noqa: S105  # a test's
    assert (request.routing_id, request.metadata, request.public_key) == (b"", {}, None)


@pytest.mark.parametrize("mechanism", ["NULL", "PLAIN", "CURVE"])
def test_who_shows_nothing_is_asked_about_with_nothing(mechanism: str) -> None:
    """Under NULL, and where a server has connected to a client that listens."""
    request = auth.Request.of(mechanism, (), None, domain="", address="", endpoint="")
    assert request == auth.Request(mechanism=mechanism)


@pytest.mark.parametrize(
    ("address", "bare"),
    [
        ("127.0.0.1:5555", "127.0.0.1"),
        ("[::1]:5555", "::1"),
        ("[fe80::1%lo]:5555", "fe80::1%lo"),
        ("[::ffff:10.1.2.3]:1", "10.1.2.3"),
        ("uid=0 gid=0 pid=7", "uid=0 gid=0 pid=7"),
        ("memory", "memory"),
        ("", ""),
    ],
)
def test_an_address_comes_without_its_port(address: str, bare: str) -> None:
    """And an IPv4 address in one form, whichever way it came."""
    assert bare_address(address) == bare


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"user_id": "x" * 256}, ValueError),
        ({"user_id": b"alice"}, TypeError),
        ({"metadata": {"Socket-Type": b"PUB"}}, ValueError),
        ({"metadata": {"identity": b"x"}}, ValueError),
        ({"metadata": {"USER-ID": b"x"}}, ValueError),
        ({"metadata": {"a b": b"x"}}, ValueError),
        ({"metadata": {"": b"x"}}, ValueError),
        ({"metadata": {"a": 5}}, TypeError),
        ({"metadata": {5: b"a"}}, TypeError),
        ({"metadata": [("a", b"b")]}, TypeError),
    ],
)
def test_a_malformed_grant_cannot_be_made(
    arguments: dict[str, object], error: type[Exception]
) -> None:
    """So it can't let anybody in."""
    with pytest.raises(error):
        auth.Granted(**arguments)  # type: ignore[arg-type]


def test_metadata_of_a_grant_may_be_text() -> None:
    """It reaches the application as bytes, as that of peers does, and can't be changed."""
    granted = auth.Granted("alice", {"Group": "staff", "X-b": b"\0"})
    assert granted.metadata == {"Group": b"staff", "X-b": b"\0"}
    with pytest.raises(TypeError):
        granted.metadata["Group"] = b"wheel"  # type: ignore[index]


@pytest.mark.parametrize("status", [200, 201, 0, -1, "400", None, True])
def test_a_refusal_has_a_status_of_refusals(status: object) -> None:
    """RFC 27 has three."""
    with pytest.raises(ValueError, match="300, 400 or 500"):
        auth.Refused(status)  # type: ignore[arg-type]


def test_a_reason_is_text() -> None:
    """It goes into events and logs."""
    with pytest.raises(TypeError, match="bytes"):
        auth.Refused(400, b"why")  # type: ignore[arg-type]


def test_a_revocation_tells_those_who_asked_once() -> None:
    """And at once those who come too late."""
    token, told = auth.Revocation(), list[str]()

    def early() -> None:
        told.append("early")

    def gone() -> None:
        told.append("gone")

    token.tell(early)
    token.tell(gone)
    token.forget(gone)
    token.revoke()
    token.revoke()
    token.tell(lambda: told.append("late"))
    assert told == ["early", "late"]
    assert token.revoked


async def test_allow_any_lets_everybody_in_and_knows_nobody() -> None:
    """A name that somebody merely says is none."""
    request = auth.Request(mechanism="PLAIN", username="root", password="x")  # noqa: S106  # a test's
    assert await auth.ALLOW_ANY(request) == auth.Granted()
    assert repr(auth.ALLOW_ANY) == "trio_mq.auth.ALLOW_ANY"


async def test_a_peer_over_ipc_is_known_by_its_process(tmp_path: Path) -> None:
    """The kernel says who it is, and only our own user gets in."""
    asked: list[auth.Process | None] = []

    async def own_user(request: auth.Request) -> auth.Granted | auth.Refused:
        asked.append(request.process)
        mine = request.process is not None and request.process.uid == os.getuid()
        return auth.Granted(f"uid {os.getuid()}") if mine else auth.Refused()

    with trio.fail_after(10):
        async with trio_mq.Pull(authenticator=own_user) as pull, trio_mq.Push() as push:
            await push.connect(await pull.bind(f"ipc://{tmp_path}/s"), wait=True)
            await push.send(b"hello")
            _, peer = await pull.receive_from()
    assert peer.user_id == f"uid {os.getuid()}"
    assert asked == [auth.Process(uid=os.getuid(), gid=os.getgid(), pid=os.getpid())]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1:5",
        "uid=1 gid=2",
        "uid=1 gid=2 pid=3 ",
        "xuid=1 gid=2 pid=3",
        "uid=-1 gid=2 pid=3",
    ],
)
def test_other_addresses_are_no_process(address: str) -> None:
    """Not even those that look like one."""
    assert auth.Process.at(address) is None


@pytest.mark.parametrize("given", [auth.Revocation(), [None], "later", 1])
def test_a_grant_is_taken_back_only_by_what_can(given: object) -> None:
    """Otherwise it would be found out when the connection ends."""
    with pytest.raises(TypeError):
        auth.Granted("alice", revocations=given)  # type: ignore[arg-type]


def test_what_takes_a_grant_back_may_come_in_any_collection() -> None:
    """It is kept as a tuple."""
    token = auth.Revocation()
    assert auth.Granted("alice", revocations=[token]).revocations == (token,)
