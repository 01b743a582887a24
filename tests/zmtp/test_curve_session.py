"""A whole session of CURVE, byte for byte, from known keys and known random numbers.

It was made apart from this library, by a program that has also shaken hands with libzmq as either
role. Each of its bytes must come out of our two ends, and each end must understand the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from tests.zmtp.pair import ConnectionPair, cuts, events_of, feed, messages_of
from tests.zmtp.secured import CLIENT_KEYS, SERVER_KEYS, curve_client, curve_server
from trio_mq.zmtp import (
    Cancel,
    Connection,
    CredentialsReceived,
    Event,
    PeerReady,
    Ping,
    Pong,
    Role,
    SocketType,
    Subscribe,
)
from trio_mq.zmtp.z85 import z85_decode

GREETING: Final = (
    bytes.fromhex("ff00000000000000017f0301") + b"CURVE".ljust(20, b"\0") + b"\0" + bytes(31)
)

CLIENT_PUBLIC: Final = bytes.fromhex(
    "691bb7cfbb0550eb1842e43e25f40520d8ae5e280935bcd345c85ecb7ad92841"
)
SERVER_PUBLIC: Final = bytes.fromhex(
    "6e0940bd404c854ba7aed7731b1cea67b90e99b465a5ed5cc0917daf13e36d13"
)
#: Client: HELLO (202 B on the wire).
HELLO: Final = bytes.fromhex(
    "04c80548454c4c4f0100000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000c2f87281522c46e9cc42"
    "66afcbf740d012c6471e42c3fb7f0a1e2b7e82035925000000000000000134a1bf0dc0913c130e3d0659d8ef8cc8"
    "a56f7ae4d2c7f6a098c96ff0017f4360ead7a9bf640f53f174c055511d4feadbea1f1955023ac64ed9fde919f433"
    "09604c1ac4f86d0b44f08252b16545cd1c8a"
)
#: Server: WELCOME (170 B on the wire).
WELCOME: Final = bytes.fromhex(
    "04a80757454c434f4d451cd413b7a83e1bb2bc49130256d25ce57e77276e6cf6b426f4087d5f310c3d721e31ec9d"
    "a1c2fe249c741d70873b309fd9fb664962f9924776ded5d97964f87f4429828a59cf24944182c326c660fd59297a"
    "b0da5df71d81db1fa3c979d7dea8d1e15b4e89488d51cf48d32df206d0e7b6fe27a030f3c8683ef09aaa75dc1fc0"
    "6f860affb1184573be6b2a7f712f3bc74de1a2f1318be5382d366bf27602e0e5"
)
#: Client: INITIATE, metadata Socket-Type=DEALER Identity="" (301 B on the wire).
INITIATE: Final = bytes.fromhex(
    "06000000000000012408494e49544941544509e7bf5ad53a4a16e9b48a3c66f5a8290e43d2db52afcf13fc68c54b"
    "0336ec0290c3d8bc55532df3e5872099f1710a1bb110872ee817097d278a42e7c358b420c43f80710616df4772c3"
    "db930ad8ef69c7c889c8d69975f1837f17abdf35081a0000000000000002b6d6123d05c44331c96cdfc4c058b57e"
    "d25710c0f618c0c58b7c3cf109d9fd82cb3e21d3c12186dfa6988ae9189686e0865ac491d58ba3784be006a3b9fc"
    "2d7629ca36d9a604493ce0daacdefba60d593603fc68f1b80ce8aa55fb49ce05774099ee0365982a5768583982fa"
    "d90c90e7ddc0c21596d004e6f612c64194715ba77548943a1f0b89f95aff12feb78196a9269abbce3644e5b5c40f"
    "5c33251c8c5cc6b2d351dd37a763fdbc015c5f1c865cd25e56"
)
#: Server: READY, metadata Socket-Type=ROUTER Identity="" (67 B on the wire).
READY: Final = bytes.fromhex(
    "044105524541445900000000000000010dbb11a8d47c893309fe5cd9508f84772b41ce2f6bcef3d4611a4fd37b65"
    "c0c662666b1abb298f7da7c7b78a0a388b7add11f2"
)
#: Client: MESSAGE nonce 3, inner flags 00, "hello" (40 B on the wire).
SAYS_HELLO: Final = bytes.fromhex(
    "0026074d45535341474500000000000000032bd1f60621f22ab82d7ad0bdaff5a75cd49832e14ccf"
)
#: Client: MESSAGE nonce 4, inner flags 02, PING ttl=10 ctx="" (42 B on the wire).
PING: Final = bytes.fromhex(
    "0028074d45535341474500000000000000046edae1484f4f31e6a0cd9b218901ed9e1b68768ab7a75023"
)
#: Server: MESSAGE nonce 2, inner flags 02, PONG ctx="" (40 B on the wire).
PONG: Final = bytes.fromhex(
    "0026074d4553534147450000000000000002fb0ea1af58a478313876a23b68fdfee30fe39d09223d"
)
#: Server: MESSAGE nonce 3, inner flags 01 (MORE), "wor" (38 B on the wire).
WOR: Final = bytes.fromhex(
    "0024074d45535341474500000000000000038a5bfaef6ec9cf338439aff8bce381228ef978a5"
)
#: Server: MESSAGE nonce 4, inner flags 00, "ld" (37 B on the wire).
LD: Final = bytes.fromhex(
    "0023074d45535341474500000000000000041cec6cc64d80b2007228546ebd56c332ac81c9"
)
#: Client: MESSAGE nonce 5, inner flags 02, SUBSCRIBE "A" (as a SUB would send) (46 B on the wire).
SUBSCRIBE: Final = bytes.fromhex(
    "002c074d45535341474500000000000000056392b51de971ed0515762238b20a62ce6bfb936289ab278d4f286aca"
)
#: Client: MESSAGE nonce 6, inner flags 02, CANCEL "A" (43 B on the wire).
CANCEL: Final = bytes.fromhex(
    "0029074d455353414745000000000000000679d50101b2a9cc7df35d1be8ffd8939b7179fc81d10e7880e3"
)


def both() -> ConnectionPair:
    """Return the two ends: a Dealer that is the client, and a Router."""
    return ConnectionPair(
        Connection(SocketType.DEALER, Role.CONNECTING, mechanism=curve_client()),
        Connection(SocketType.ROUTER, Role.ACCEPTING, mechanism=curve_server()),
    )


def test_the_public_keys_are_derived() -> None:
    """Nobody has to keep both halves."""
    assert z85_decode(CLIENT_KEYS.public) == CLIENT_PUBLIC
    assert z85_decode(SERVER_KEYS.public) == SERVER_PUBLIC


def shake_hands() -> tuple[Connection, Connection, bytes, bytes]:
    """Return both ends after their handshake, and what each said in it."""
    pair = both()
    client, server = pair.connecting, pair.accepting
    said = {client: b"", server: b""}
    while not (client.established and server.established):
        for speaker, listener in ((client, server), (server, client)):
            data = speaker.data_to_send()
            said[speaker] += data
            listener.receive_data(data)
            for event in events_of(listener):
                if isinstance(event, CredentialsReceived):
                    listener.authenticated("client")
                    for ready in events_of(listener):
                        assert isinstance(ready, PeerReady)
                        listener.accept()
                else:
                    assert isinstance(event, PeerReady)
                    listener.accept()
    return client, server, said[client], said[server]


def without_as_server(said: bytes) -> bytes:
    """Return what the server said as libzmq says it, which never tells that it is one."""
    return said[:32] + b"\0" + said[33:]


def test_the_handshake_is_byte_for_byte_the_same() -> None:
    """Greeting, HELLO, WELCOME, INITIATE, READY."""
    _, _, client_said, server_said = shake_hands()
    assert client_said == GREETING + HELLO + INITIATE
    assert without_as_server(server_said) == GREETING + WELCOME + READY


def test_the_server_learns_the_key_and_what_the_client_claims() -> None:
    """Before it is asked to judge, so that an authenticator can look at both."""
    server = both().accepting
    events = feed(server, [GREETING, HELLO, INITIATE])
    (asked,) = events
    assert isinstance(asked, CredentialsReceived)
    assert asked.credentials == (CLIENT_PUBLIC,)
    assert asked.properties is not None
    assert asked.properties.socket_type is SocketType.DEALER


def test_the_traffic_is_byte_for_byte_the_same() -> None:
    """Messages of one frame and of two, PING, PONG, and what a Sub would say."""
    client, server, _, _ = shake_hands()
    assert b"".join(client.encode([(b"hello",)])) == SAYS_HELLO
    assert client.ping(1.0) == PING
    assert server.pong(b"") == PONG
    assert b"".join(server.encode([(b"wor", b"ld")])) == WOR + LD
    assert client.subscribe(b"A") == SUBSCRIBE
    assert client.cancel(b"A") == CANCEL


TRAFFIC: list[tuple[str, bytes, Callable[[list[Event]], bool]]] = [
    (
        "client",
        SAYS_HELLO + PING,
        lambda told: (
            messages_of(told[:1]) == [(b"hello",)] and told[1:] == [Ping(ttl=1.0, context=b"")]
        ),
    ),
    (
        "server",
        PONG + WOR + LD,
        lambda told: told[:1] == [Pong(b"")] and messages_of(told[1:]) == [(b"wor", b"ld")],
    ),
]


@pytest.mark.parametrize(("speaker", "said", "understood"), TRAFFIC, ids=["client", "server"])
def test_the_traffic_is_understood(
    speaker: str, said: bytes, understood: Callable[[list[Event]], bool]
) -> None:
    """However its bytes were cut on the way."""
    for pieces in cuts(said):
        client, server, _, _ = shake_hands()
        listener = server if speaker == "client" else client
        assert understood(feed(listener, pieces))


def test_the_subscriptions_are_understood_by_a_publisher() -> None:
    """The session has a Dealer say what only subscribers do; so its Router is made a publisher."""
    _, server, _, _ = shake_hands()
    server._traffic._socket_type = SocketType.XPUB
    told = feed(server, [SAYS_HELLO, PING, SUBSCRIBE, CANCEL])
    assert told[-2:] == [Subscribe(b"A"), Cancel(b"A")]
