"""Answer requests on a socket that systemd has opened, and on a port of our own without it."""

import os
import socket
import sys
from functools import partial

import trio

import trio_mq

#: systemd hands over descriptors from this one on: see sd_listen_fds(3).
FIRST = 3


def inherited() -> list[trio.SocketListener]:
    """Return what was opened for this very process."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    numbers = range(FIRST, FIRST + int(os.environ["LISTEN_FDS"]))
    return [
        trio.SocketListener(trio.socket.from_stdlib_socket(socket.socket(fileno=number)))
        for number in numbers
    ]


async def main(endpoint: str = "tcp://127.0.0.1:5555") -> None:
    """With a listener, the endpoint is only what it is called in events and figures."""
    async with trio_mq.Rep() as rep:
        if listeners := inherited():
            await rep.bind(endpoint, listener=listeners)
        else:
            await rep.bind(endpoint)
        async for request in rep:
            await rep.send(b"hello, " + request[0])


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
