"""Ironhouse: everything is encrypted, and both ends know who the other is."""

import tempfile
from pathlib import Path

import trio

import trio_mq
from trio_mq import auth


async def main(clients: Path) -> None:
    """Whose certificate is in the folder comes in, until it is taken away."""
    keys, alice = auth.CurveKeys.generate(), auth.CurveKeys.generate()
    auth.write_certificate(clients, "alice", alice)
    server = trio_mq.Pull(
        mechanism=auth.CurveServer(keys),
        authenticator=auth.KeyFolder(clients),
        **trio_mq.Options.hardened(),
    )
    client = trio_mq.Push(mechanism=auth.CurveClient(alice, server=keys.public))
    async with server as pull, client as push:
        await push.connect(await pull.bind("tcp://127.0.0.1:*"), wait=True)
        await push.send(b"sealed, by me")
        message, peer = await pull.receive_from()
        print(f"{peer.user_id}: {message.text}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        trio.run(main, Path(folder))
