"""Within one machine: the kernel says whose program is at the other end."""

import os

import trio

import trio_mq
from trio_mq import auth


async def own_user(request: auth.Request) -> auth.Granted | auth.Refused:
    """Let the programs of our own user in."""
    if request.process is not None and request.process.uid == os.getuid():
        return auth.Granted(f"process {request.process.pid}")
    return auth.Refused(400, "another user's")


async def main() -> None:
    """Be at both ends."""
    server = trio_mq.Pull(authenticator=own_user, ipc_mode=0o600)
    async with server as pull, trio_mq.Push() as push:
        await push.connect(await pull.bind("ipc://*"), wait=True)
        await push.send(b"from here")
        message, peer = await pull.receive_from()
        print(f"{peer.user_id == f'process {os.getpid()}'}: {message.text}")


if __name__ == "__main__":
    trio.run(main)
