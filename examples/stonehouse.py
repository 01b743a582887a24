"""Stonehouse: everything is encrypted, clients know the server, and anybody may be a client."""

import trio

import trio_mq
from trio_mq import auth


async def main() -> None:
    """Clients need the public key of the server, and no key of their own."""
    keys = auth.CurveKeys.generate()
    server = auth.CurveServer(keys)
    async with (
        trio_mq.Pull(mechanism=server, authenticator=auth.ALLOW_ANY) as pull,
        trio_mq.Push(mechanism=auth.CurveClient(server=keys.public)) as push,
    ):
        await push.connect(await pull.bind("tcp://127.0.0.1:*"), wait=True)
        await push.send(b"sealed")
        print((await pull.receive()).text)


if __name__ == "__main__":
    trio.run(main)
