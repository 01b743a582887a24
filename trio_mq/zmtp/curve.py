"""CURVE: each end proves that it has the secret key that goes with its public one (RFC 25, 26).

::

    CURVE, client   GREETING -> send HELLO -> EXPECT_WELCOME -> send INITIATE -> EXPECT_READY
                    -> JUDGING -> ESTABLISHED
    CURVE, server   GREETING -> EXPECT_HELLO -> send WELCOME -> EXPECT_INITIATE -> AUTHENTICATING
                    -> JUDGING -> send READY -> ESTABLISHED

A client knows the server's key from the start; the server learns the client's in INITIATE and asks
its authenticator about it. Who is the client has nothing to do with who connects. Besides these
two lasting keys each end makes one for the connection, so that recorded traffic stays sealed even
if a lasting key is stolen later. In the names of RFC 26, a capital is a public key and a prime
marks a key of the connection::

    HELLO      C' and an empty box              C'->S     the client knows S
    WELCOME    a box of S' and the cookie       S->C'     the server owns S
    INITIATE   the cookie and a box of C, the   C'->S'    the client owns C, for the vouch is a box
               vouch and metadata                         C->S' of C' and S
    READY      a box of metadata                S'->C'
    MESSAGE    a box of flags and a frame       either way, for every frame from then on

Boxes on one key need nonces that never repeat: a count of the boxes of each direction, or chance.
A count that is not exactly one more than the last is taken for an attack: TCP loses nothing, so
somebody on the way has dropped, repeated or moved a frame.

Python cannot wipe keys from memory. We drop them as soon as they are not needed any more.
"""

from __future__ import annotations

import hmac
from typing import Final

from trio_mq._errors import ProtocolFault, RemoteProtocolError

from .boxes import KEY_SIZE, Boxes
from .commands import Command, malformed
from .handshake import FAILED, TURNED_AWAY, Decision, Move, State, Table
from .sealed import COUNT_SIZE, MAX_COUNT, RandomBytes, SealedTraffic, not_theirs
from .workbench import TAG_SIZE

CLIENT_TABLE: Final[Table] = {
    State.GREETING: {
        Decision.GREETED: Move(State.EXPECT_WELCOME, sends=Command.HELLO),
    },
    State.EXPECT_WELCOME: {
        Command.WELCOME: Move(State.EXPECT_READY, sends=Command.INITIATE),
        Command.ERROR: FAILED,
    },
    State.EXPECT_READY: {
        Command.READY: Move(State.JUDGING),
        Command.ERROR: FAILED,
    },
    State.JUDGING: {
        # The server has proven its key, but its address may be asked about.
        Decision.AUTHENTICATE: Move(State.JUDGING),
        Decision.ACCEPT: Move(State.ESTABLISHED),
        Decision.REFUSE: TURNED_AWAY,
    },
}

SERVER_TABLE: Final[Table] = {
    State.GREETING: {
        Decision.GREETED: Move(State.EXPECT_HELLO),
    },
    State.EXPECT_HELLO: {
        Command.HELLO: Move(State.EXPECT_INITIATE, sends=Command.WELCOME),
        Command.ERROR: FAILED,
    },
    State.EXPECT_INITIATE: {
        Command.INITIATE: Move(State.AUTHENTICATING),
        Command.ERROR: FAILED,
    },
    State.AUTHENTICATING: {
        Decision.AUTHENTICATE: Move(State.JUDGING),
        Decision.REFUSE: TURNED_AWAY,
    },
    State.JUDGING: {
        Decision.ACCEPT: Move(State.ESTABLISHED, sends=Command.READY),
        Decision.REFUSE: TURNED_AWAY,
    },
}

_VERSION: Final = b"\x01\x00"
# RFC 26 says 70 in its prose; its figure, and everybody, has 72.
_PADDING: Final = bytes(72)
_SIGNED: Final = bytes(64)
_RANDOM_SIZE: Final = 16

_HELLO_SIZE: Final = 2 + 72 + KEY_SIZE + COUNT_SIZE + len(_SIGNED) + TAG_SIZE
_COOKIE_SIZE: Final = _RANDOM_SIZE + 2 * KEY_SIZE + TAG_SIZE
_WELCOME_SIZE: Final = _RANDOM_SIZE + KEY_SIZE + _COOKIE_SIZE + TAG_SIZE
_VOUCH_SIZE: Final = _RANDOM_SIZE + 2 * KEY_SIZE + TAG_SIZE
_INITIATE_BOX_SIZE: Final = KEY_SIZE + _VOUCH_SIZE + TAG_SIZE
"""Of its box, without metadata."""

_INITIATE_SIZE: Final = _COOKIE_SIZE + COUNT_SIZE + _INITIATE_BOX_SIZE
_READY_SIZE: Final = COUNT_SIZE + TAG_SIZE

_HELLO_NONCE: Final = b"CurveZMQHELLO---"
_INITIATE_NONCE: Final = b"CurveZMQINITIATE"
_READY_NONCE: Final = b"CurveZMQREADY---"
_CLIENT_NONCE: Final = b"CurveZMQMESSAGEC"
_SERVER_NONCE: Final = b"CurveZMQMESSAGES"
_WELCOME_NONCE: Final = b"WELCOME-"
_COOKIE_NONCE: Final = b"COOKIE--"
_VOUCH_NONCE: Final = b"VOUCH---"


class CurveClientMechanism(SealedTraffic):
    """One connection's share of CURVE as its client.

    Args:
        ours: Our metadata.
        boxes: Make and open boxes.
        random_bytes: Draws random bytes.
        strict: Whether a gap in the server's count ends the connection.
        public_key: C.
        secret_key: c.
        server_key: S.
    """

    table: Table = CLIENT_TABLE
    our_nonce = _CLIENT_NONCE
    their_nonce = _SERVER_NONCE

    def __init__(
        self,
        ours: bytes,
        boxes: Boxes,
        random_bytes: RandomBytes,
        *,
        strict: bool,
        public_key: bytes,
        secret_key: bytes,
        server_key: bytes,
    ) -> None:
        super().__init__(ours, boxes, random_bytes, strict=strict)
        self._public_key = public_key
        self._secret_key = secret_key
        self._server_key = server_key
        self._transient_secret = b""
        """c', and what seals HELLO and WELCOME."""

        self._hello_key = b""
        self._cookie = b""
        self._server_transient = b""
        """S'."""

    def write(self, command: Command) -> bytes:
        """Return the data of HELLO or INITIATE."""
        return self._hello() if command is Command.HELLO else self._initiate()

    def read(self, command: Command, data: bytes) -> None:
        """Take the data of WELCOME or READY.

        Raises:
            RemoteProtocolError: The server did not seal it, or it has another form.
        """
        if command is Command.WELCOME:
            self._read_welcome(data)
        else:
            self._read_ready(data)

    def _hello(self) -> bytes:
        secret = self._transient_secret = self.random_bytes(KEY_SIZE)
        self._hello_key = self.agree(self._server_key, secret, "the server's key")
        count = self.sent.next()
        box = self.boxes.seal(_SIGNED, _HELLO_NONCE + count, self._hello_key)
        return b"".join((_VERSION, _PADDING, self.boxes.public_key(secret), count, box))

    def _read_welcome(self, data: bytes) -> None:
        if len(data) != _WELCOME_SIZE:
            raise malformed(f"a WELCOME with {len(data)} bytes of data: CURVE has {_WELCOME_SIZE}")
        nonce, box = _WELCOME_NONCE + data[:_RANDOM_SIZE], data[_RANDOM_SIZE:]
        plain = self.boxes.open(box, nonce, self._hello_key)
        if plain is None:
            raise not_theirs("WELCOME")
        self._server_transient, self._cookie = plain[:KEY_SIZE], plain[KEY_SIZE:]
        self.key: bytes = self.agree(
            self._server_transient, self._transient_secret, "the key of a WELCOME"
        )

    def _initiate(self) -> bytes:
        transient_public = self.boxes.public_key(self._transient_secret)
        random = self.random_bytes(_RANDOM_SIZE)
        vouch = self.boxes.seal(
            transient_public + self._server_key,
            _VOUCH_NONCE + random,
            self.agree(self._server_transient, self._secret_key, "the key of a WELCOME"),
        )
        self._secret_key = self._transient_secret = self._hello_key = b""
        count = self.sent.next()
        box = self.boxes.seal(
            b"".join((self._public_key, random, vouch, self.ours)),
            _INITIATE_NONCE + count,
            self.key,
        )
        return b"".join((self._cookie, count, box))

    def _read_ready(self, data: bytes) -> None:
        if len(data) < _READY_SIZE:
            raise malformed(f"a READY with {len(data)} bytes of data has no room for its box")
        self.metadata: bytes = self.open_counted(Command.READY, _READY_NONCE, data)


class CurveServerMechanism(SealedTraffic):
    """One connection's share of CURVE as its server.

    Nothing is computed for a peer before its HELLO has the right form, and nothing drawn before
    the box in it has shown that the peer knows our key.

    Args:
        ours: Our metadata.
        boxes: Make and open boxes.
        random_bytes: Draws random bytes.
        strict: Whether a gap in the client's count ends the connection.
        public_key: S.
        secret_key: s.
    """

    table: Table = SERVER_TABLE
    our_nonce = _SERVER_NONCE
    their_nonce = _CLIENT_NONCE

    def __init__(
        self,
        ours: bytes,
        boxes: Boxes,
        random_bytes: RandomBytes,
        *,
        strict: bool,
        public_key: bytes,
        secret_key: bytes,
    ) -> None:
        super().__init__(ours, boxes, random_bytes, strict=strict)
        self._public_key = public_key
        self._secret_key = secret_key
        self._client_transient = b""
        """C', s', and what seals HELLO and WELCOME."""

        self._transient_secret = b""
        self._hello_key = b""
        self._cookie = b""

    def write(self, command: Command) -> bytes:
        """Return the data of WELCOME or READY."""
        return self._welcome() if command is Command.WELCOME else self._ready()

    def read(self, command: Command, data: bytes) -> None:
        """Take the data of HELLO or INITIATE.

        Raises:
            RemoteProtocolError: The client did not seal it for us, or it has another form.
        """
        if command is Command.HELLO:
            self._read_hello(data)
        else:
            self._read_initiate(data)

    def _read_hello(self, data: bytes) -> None:
        if len(data) != _HELLO_SIZE:
            raise malformed(f"a HELLO with {len(data)} bytes of data: CURVE has {_HELLO_SIZE}")
        if not data.startswith(_VERSION + _PADDING):
            raise malformed(
                f"a HELLO of CurveZMQ {data[0]}.{data[1]}: ours is 1.0, with padding of zeros"
            )
        start = len(_VERSION) + len(_PADDING)
        count_start = start + KEY_SIZE
        self._client_transient = data[start:count_start]
        count = data[count_start : count_start + COUNT_SIZE]
        if not 0 < int.from_bytes(count, "big") < MAX_COUNT:
            raise RemoteProtocolError(
                ProtocolFault.SEQUENCE, "a HELLO has a count that no client begins with"
            )
        self._hello_key = self.key = self.agree(
            self._client_transient, self._secret_key, "the key of a HELLO"
        )
        signed = self.open_counted(Command.HELLO, _HELLO_NONCE, data[count_start:])
        if not hmac.compare_digest(signed, _SIGNED):
            raise malformed("the box of a HELLO is not empty")

    def _welcome(self) -> bytes:
        boxes, random = self.boxes, self.random_bytes
        secret = self._transient_secret = random(KEY_SIZE)
        cookie_key, cookie_random = random(KEY_SIZE), random(_RANDOM_SIZE)
        # A server that keeps nothing would have to open its cookie later. This object lives as
        # long as the connection, so it compares what comes back; only the form is needed.
        cookie_box = boxes.seal_for_oneself(
            self._client_transient + secret, _COOKIE_NONCE + cookie_random, cookie_key
        )
        self._cookie = cookie_random + cookie_box
        nonce = random(_RANDOM_SIZE)
        plain = boxes.public_key(secret) + self._cookie
        box = boxes.seal(plain, _WELCOME_NONCE + nonce, self._hello_key)
        return nonce + box

    def _read_initiate(self, data: bytes) -> None:
        if len(data) < _INITIATE_SIZE:
            raise malformed(
                f"an INITIATE with {len(data)} bytes of data: {_INITIATE_SIZE} at least"
            )
        if not hmac.compare_digest(data[:_COOKIE_SIZE], self._cookie):
            raise RemoteProtocolError(
                ProtocolFault.CRYPTOGRAPHIC, "an INITIATE has a cookie that is not ours"
            )
        self.key: bytes = self.agree(
            self._client_transient, self._transient_secret, "the key of a HELLO"
        )
        plain = self.open_counted(Command.INITIATE, _INITIATE_NONCE, data[_COOKIE_SIZE:])
        metadata_start = KEY_SIZE + _VOUCH_SIZE
        self._check_vouch(plain[:KEY_SIZE], plain[KEY_SIZE:metadata_start])
        self.credentials: tuple[bytes, ...] = (plain[:KEY_SIZE],)
        self.metadata: bytes = plain[metadata_start:]
        self._secret_key = self._transient_secret = self._hello_key = b""

    def _check_vouch(self, client_key: bytes, vouch: bytes) -> None:
        """Check that the owner of the client's key made this connection, and meant it for us."""
        key = self.agree(client_key, self._transient_secret, "the client's key")
        nonce, box = _VOUCH_NONCE + vouch[:_RANDOM_SIZE], vouch[_RANDOM_SIZE:]
        plain = self.boxes.open(box, nonce, key)
        if plain is None:
            raise not_theirs("vouch")
        # libzmq compares only the first half. Without the second, a server to which a client
        # connected could pass the client's vouch on to another one.
        if not hmac.compare_digest(plain, self._client_transient + self._public_key):
            raise RemoteProtocolError(
                ProtocolFault.CRYPTOGRAPHIC, "a vouch is for another connection or server"
            )

    def _ready(self) -> bytes:
        count = self.sent.next()
        return count + self.boxes.seal(self.ours, _READY_NONCE + count, self.key)
