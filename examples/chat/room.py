"""A chat room: whoever joins it hears what the others say."""

from __future__ import annotations

import contextlib

import trio

import trio_mq


async def serve(endpoint: str) -> None:
    """Keep a room, until cancelled."""
    async with trio_mq.Router(bind=endpoint, heartbeat_interval=1.0) as router:
        room = Room(router)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(room.see_off)
            while True:
                message, peer = await router.receive_from()
                match [bytes(frame) for frame in message]:
                    case [client, b"join", name]:
                        await room.join(peer, client, name)
                    case [_, b"say", text]:
                        await room.say(peer, text)
                    case _:
                        peer.disconnect("it does not speak our language")


class Room:
    """Who is there."""

    def __init__(self, router: trio_mq.Router) -> None:
        self.router = router
        self.present: dict[trio_mq.Peer, tuple[bytes, bytes]] = {}

    async def join(self, peer: trio_mq.Peer, client: bytes, name: bytes) -> None:
        """Let somebody in, and tell everybody."""
        self.present[peer] = (client, name)
        await self.tell(name + b" joins")

    async def say(self, peer: trio_mq.Peer, text: bytes) -> None:
        """Tell everybody what somebody says."""
        if peer in self.present:
            await self.tell(self.present[peer][1] + b": " + text)

    async def see_off(self) -> None:
        """Tell everybody who has gone, in whichever way."""
        with self.router.events() as events:
            async for event in events:
                if isinstance(event, trio_mq.Disconnected) and event.peer in self.present:
                    _, name = self.present.pop(event.peer)
                    await self.tell(name + b" leaves")

    async def tell(self, text: bytes) -> None:
        """Tell everybody who is there."""
        for client, _ in list(self.present.values()):
            with contextlib.suppress(trio_mq.Unroutable):  # gone by now
                await self.router.send([client, text])


async def attend(
    endpoint: str,
    name: str,
    say: trio.MemoryReceiveChannel[str],
    heard: trio.MemorySendChannel[str],
) -> None:
    """Be in a room, until there is nothing more to say; join again after each new connection."""
    async with trio_mq.Dealer(heartbeat_interval=1.0) as dealer, trio.open_nursery() as nursery:

        async def keep_joining() -> None:
            with dealer.events() as events:
                await dealer.connect(endpoint)
                async for event in events:
                    if isinstance(event, trio_mq.Connected):
                        await dealer.send([b"join", name.encode()])

        async def listen() -> None:
            async for message in dealer:
                await heard.send(message.text)

        nursery.start_soon(keep_joining)
        nursery.start_soon(listen)
        async for text in say:
            await dealer.send([b"say", text.encode()])
        nursery.cancel_scope.cancel()
