"""Mechanisms of sockets under attack, of their good peers, and of bad ones."""

from __future__ import annotations

from typing import Final

from trio_mq import auth
from trio_mq.zmtp import MechanismFactory

SERVER_KEYS: Final = auth.CurveKeys.generate()
CLIENT_KEYS: Final = auth.CurveKeys.generate()
CURVE_SERVER: Final = auth.CurveServer(SERVER_KEYS)
CURVE_CLIENT: Final = auth.CurveClient(CLIENT_KEYS, server=SERVER_KEYS.public)
PLAIN_SERVER: Final = auth.PlainServer()
PLAIN_CLIENT: Final = auth.PlainClient("good", "secret")

#: A mechanism of ours, and that of the other end.
_OTHER_END: Final[dict[MechanismFactory, MechanismFactory]] = {
    CURVE_SERVER: CURVE_CLIENT,
    CURVE_CLIENT: CURVE_SERVER,
    PLAIN_SERVER: PLAIN_CLIENT,
    PLAIN_CLIENT: PLAIN_SERVER,
}


def counterpart(
    ours: MechanismFactory | None,
) -> tuple[MechanismFactory | None, auth.Authenticator | None]:
    """Return what a good peer of ours is given."""
    if ours is None:
        return None, None
    theirs = _OTHER_END[ours]
    return theirs, auth.ALLOW_ANY if theirs.as_server else None
