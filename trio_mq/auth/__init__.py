"""Who may talk to a socket: keys, passwords, and who judges them.

A *mechanism* is how peers prove who they are; an *authenticator* says who of them may come in::

    mechanism = auth.CurveServer(auth.CurveKeys.generate())
    authenticator = auth.KeyFolder("clients")
    Router(bind="tcp://*:5555", mechanism=mechanism, authenticator=authenticator)

An authenticator is an async function from `Request` to `Granted` or `Refused`. It is asked about
every peer that a bound endpoint accepts, and by every server of PLAIN or CURVE, before the peer
counts as one. Whatever goes wrong in it refuses the peer.
"""

import typing

from trio_mq._lazy import Exports as _Exports

if typing.TYPE_CHECKING:
    from trio_mq.auth.addresses import Addresses as Addresses
    from trio_mq.auth.certificates import (
        Certificate as Certificate,
        read_certificate as read_certificate,
        write_certificate as write_certificate,
    )
    from trio_mq.auth.combine import either as either, every as every
    from trio_mq.auth.curve import (
        CurveClient as CurveClient,
        CurveKeys as CurveKeys,
        CurveServer as CurveServer,
    )
    from trio_mq.auth.keys import KeyFolder as KeyFolder, Keys as Keys
    from trio_mq.auth.passwords import PasswordFile as PasswordFile, Passwords as Passwords
    from trio_mq.auth.pyzmq import from_pyzmq as from_pyzmq
    from trio_mq.auth.request import (
        ALLOW_ANY as ALLOW_ANY,
        Authenticator as Authenticator,
        Granted as Granted,
        Process as Process,
        Refused as Refused,
        Request as Request,
        Revocation as Revocation,
        Watching as Watching,
    )
    from trio_mq.zmtp.plain import PlainClient as PlainClient, PlainServer as PlainServer
else:
    # Loaded when a name is asked for: most programs need one of these, or none.
    _EXPORTS = _Exports(
        __name__,
        {
            "trio_mq.auth.addresses": ["Addresses"],
            "trio_mq.auth.certificates": ["Certificate", "read_certificate", "write_certificate"],
            "trio_mq.auth.combine": ["either", "every"],
            "trio_mq.auth.curve": ["CurveClient", "CurveKeys", "CurveServer"],
            "trio_mq.auth.keys": ["KeyFolder", "Keys"],
            "trio_mq.auth.passwords": ["PasswordFile", "Passwords"],
            "trio_mq.auth.pyzmq": ["from_pyzmq"],
            "trio_mq.auth.request": [
                "ALLOW_ANY",
                "Authenticator",
                "Granted",
                "Process",
                "Refused",
                "Request",
                "Revocation",
                "Watching",
            ],
            "trio_mq.zmtp.plain": ["PlainClient", "PlainServer"],
        },
    )
    __getattr__ = _EXPORTS.load

    def __dir__() -> list[str]:
        """List the public names, for completion."""
        return sorted({*globals(), *_EXPORTS.names})
