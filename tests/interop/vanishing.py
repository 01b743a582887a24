"""A program for a network of its own: a peer whose host vanishes, with data on the way to it.

Run as root under ``unshare --net``. It prints how the connection ended: its reason and the number
of the system's error. The argument says whether the peer reads until its host vanishes.
"""

from __future__ import annotations

import subprocess
import sys

import trio

import trio_mq

HOST = "127.0.0.2"
VANISH = (
    "ip rule add pref 1 lookup local",
    "ip rule del pref 0",
    f"ip rule add pref 0 to {HOST} blackhole",
)


def run(command: str) -> None:
    """Change the network."""
    subprocess.run(command.split(), check=True)


async def main(*, reads: bool) -> None:
    """Connect, fill the way to the peer or not, let its host vanish, and wait for the end."""
    run("ip link set lo up")
    async with (
        trio_mq.Pull(receive_hwm=1, linger=0, tcp_keepalive=False) as pull,
        trio_mq.Push(
            linger=0,
            tcp_keepalive_idle=1,
            tcp_keepalive_interval=1,
            tcp_keepalive_count=1,
        ) as push,
    ):
        await push.connect(await pull.bind(f"tcp://{HOST}:*"), wait=True)
        (peer,) = push.peers
        if not reads:
            for _ in range(1000):
                await push.send(bytes(10_000))
            # Longer than the kernel gives data on the way: the window is shut, and that is no harm.
            await trio.sleep(5)
            assert not peer.closed
        for command in VANISH:
            run(command)
        with push.events() as events:
            if reads:
                await push.send(b"on the way")
            async for event in events:
                if isinstance(event, trio_mq.Disconnected):
                    cause = event.error.__cause__ if event.error is not None else None
                    sys.stdout.write(f"{event.reason} {getattr(cause, 'errno', None)}\n")
                    return


if __name__ == "__main__":
    trio.run(lambda: main(reads=sys.argv[1] == "reads"))
