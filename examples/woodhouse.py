"""Woodhouse: a name and a password (PLAIN), which can be read on the way like all the rest."""

import trio

import trio_mq
from trio_mq import auth


async def main() -> None:
    """Alice comes in; who does not know her password does not."""
    passwords = auth.Passwords({"alice": "secret"})
    async with trio_mq.Pull(mechanism=auth.PlainServer(), authenticator=passwords) as pull:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        async with trio_mq.Push(mechanism=auth.PlainClient("alice", "secret")) as alice:
            await alice.connect(endpoint, wait=True)
            await alice.send(b"it is me")
            message, peer = await pull.receive_from()
            print(f"{peer.user_id}: {message.text}")
        async with trio_mq.Push(mechanism=auth.PlainClient("alice", "guessed")) as mallory:
            try:
                await mallory.connect(endpoint, wait=True)
            except trio_mq.AuthenticationFailed as error:
                print(f"refused with {error.status}")


if __name__ == "__main__":
    trio.run(main)
