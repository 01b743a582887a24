"""Strawhouse: only some addresses may come in; everything can be read on the way."""

import trio

import trio_mq
from trio_mq import auth


async def main() -> None:
    """A push server that only this machine may send to."""
    guests = auth.Addresses(allow=["127.0.0.0/8", "::1"])
    async with trio_mq.Pull(authenticator=guests) as pull, trio_mq.Push() as push:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        await push.connect(endpoint, wait=True)
        await push.send(b"from here")
        print((await pull.receive()).text)


if __name__ == "__main__":
    trio.run(main)
