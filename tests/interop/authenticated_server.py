"""A server of pyzmq with one of its own authenticators: prints its endpoint, and echoes.

    python authenticated_server.py thread|asyncio RULE FOLDER

The folder has the certificates of the server (``server.key_secret``) and of clients, as
`zmq.auth.create_certificates` writes them. The rule is what the authenticator is told: ``any`` key,
the ``folder`` of keys, the ``passwords`` of PLAIN, or ``deny``, which turns this machine away.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import zmq
import zmq.asyncio
import zmq.auth
from zmq.auth.asyncio import AsyncioAuthenticator
from zmq.auth.base import Authenticator
from zmq.auth.thread import ThreadAuthenticator

DOMAIN = "here"


def configure(authenticator: Authenticator, rule: str, folder: Path) -> None:
    """Tell an authenticator who may come in."""
    if rule == "any":
        authenticator.configure_curve(domain="*", location=zmq.auth.CURVE_ALLOW_ANY)
    elif rule == "folder":
        authenticator.configure_curve(domain=DOMAIN, location=str(folder / "clients"))
    elif rule == "passwords":
        authenticator.configure_plain(domain=DOMAIN, passwords={"alice": "secret"})
    else:
        authenticator.configure_curve(domain="*", location=zmq.auth.CURVE_ALLOW_ANY)
        authenticator.deny("127.0.0.1")


def protect(socket: zmq.Socket, rule: str, folder: Path) -> str:  # type: ignore[type-arg]  # of either kind
    """Make a socket a server of the rule's mechanism; bind it, and return where."""
    socket.linger = 0
    socket.zap_domain = DOMAIN.encode()
    if rule == "passwords":
        socket.plain_server = True
    else:
        socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(
            folder / "server.key_secret"
        )
        socket.curve_server = True
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    return f"tcp://127.0.0.1:{port}"


def tell(endpoint: str) -> None:
    """Say to whoever started this program where it listens."""
    sys.stdout.write(f"{endpoint}\n")
    sys.stdout.flush()


def serve(rule: str, folder: Path) -> None:
    """Echo with blocking calls and an authenticator in a thread."""
    context = zmq.Context()
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    configure(authenticator, rule, folder)
    router = context.socket(zmq.ROUTER)
    tell(protect(router, rule, folder))
    while True:
        router.send_multipart(router.recv_multipart())


async def serve_on_asyncio(rule: str, folder: Path) -> None:
    """Echo on asyncio."""
    context = zmq.asyncio.Context()
    authenticator = AsyncioAuthenticator(context)
    authenticator.start()
    configure(authenticator, rule, folder)
    router = context.socket(zmq.ROUTER)
    tell(protect(router, rule, folder))
    while True:
        await router.send_multipart(await router.recv_multipart())


if __name__ == "__main__":
    how, wanted, place = sys.argv[1:]
    if how == "thread":
        serve(wanted, Path(place))
    else:
        asyncio.run(serve_on_asyncio(wanted, Path(place)))
