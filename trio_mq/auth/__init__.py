"""Who may talk to a socket: keys, passwords, and the question whether they are good.

A *mechanism* is how peers prove who they are; an *authenticator* says who of them may come in::

    keys = auth.CurveKeys.generate()
    Router(
        bind="tcp://*:5555",
        mechanism=auth.CurveServer(keys),
        authenticator=auth.KeyFolder("clients"),
    )

An authenticator is an async function from `Request` to `Granted` or `Refused`. It is asked about
every peer that a bound endpoint accepts, and by every server of PLAIN or CURVE, before the peer
counts as one. Whatever goes wrong in it refuses the peer.
"""

from trio_mq._attribute_texts import describe as _describe
from trio_mq.auth.addresses import Addresses
from trio_mq.auth.certificates import Certificate, read_certificate, write_certificate
from trio_mq.auth.combine import either, every
from trio_mq.auth.curve import CurveClient, CurveKeys, CurveServer
from trio_mq.auth.keys import KeyFolder, Keys
from trio_mq.auth.passwords import PasswordFile, Passwords
from trio_mq.auth.pyzmq import from_pyzmq
from trio_mq.auth.request import (
    ALLOW_ANY,
    Authenticator,
    Granted,
    Refused,
    Request,
    Revocation,
    Watching,
)
from trio_mq.zmtp.plain import PlainClient, PlainServer

__all__ = [
    "ALLOW_ANY",
    "Addresses",
    "Authenticator",
    "Certificate",
    "CurveClient",
    "CurveKeys",
    "CurveServer",
    "Granted",
    "KeyFolder",
    "Keys",
    "PasswordFile",
    "Passwords",
    "PlainClient",
    "PlainServer",
    "Refused",
    "Request",
    "Revocation",
    "Watching",
    "either",
    "every",
    "from_pyzmq",
    "read_certificate",
    "write_certificate",
]

# Tracebacks, reprs and documentation name things as users import them, and `help` explains each
# attribute.
for _name in __all__:
    _thing = globals()[_name]
    if getattr(_thing, "__module__", "").startswith(("trio_mq.auth.", "trio_mq.zmtp.")):
        if isinstance(_thing, type):
            _describe(_thing)
        _thing.__module__ = __name__
