"""A stream of events with numbers, and a service that replays what a subscriber has missed."""

import collections
import json

import trio

import trio_mq

EVENTS, REPLAY = "inproc://events", "inproc://replay"
KEPT = 1000  # events that can be had again


async def publish(count: int) -> None:
    """Publish events, and keep the last of them for who asks."""
    kept: collections.deque[tuple[bytes, bytes]] = collections.deque(maxlen=KEPT)

    def since(request: trio_mq.Request) -> list[bytes]:
        first = int(request.message.text)
        return [b"", *[frame for pair in kept if int(pair[0]) >= first for frame in pair]]

    async with trio_mq.Rep(bind=REPLAY) as replay, trio.open_nursery() as nursery:
        nursery.start_soon(replay.serve, since)
        async with trio_mq.Pub(bind=EVENTS) as events:
            for number in range(count):
                kept.append((b"%d" % number, json.dumps({"event": number}).encode()))
                await events.send(kept[-1])
                await trio.sleep(1)
        nursery.cancel_scope.cancel()


async def follow(name: str, last: int) -> None:
    """See every event once and in order, from the first one that is kept on."""
    expected = 0
    async with trio_mq.Sub(connect=EVENTS, topics="") as sub, trio_mq.Req(connect=REPLAY) as req:
        async for number, body in sub:
            events = [(number, body)]
            if int(number) > expected:  # at the beginning, and after a lost connection
                _, *frames = await req.request(b"%d" % expected)
                events = list(zip(frames[::2], frames[1::2], strict=True))
            for place, event in events:
                if int(place) >= expected:
                    print(name, json.loads(event)["event"])
                    expected = int(place) + 1
            if expected > last:
                return


async def main() -> None:
    """Let one follow from the beginning, and another come in the middle."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow, "early", 5)
        nursery.start_soon(publish, 8)
        await trio.sleep(3.5)
        nursery.start_soon(follow, "late", 5)


if __name__ == "__main__":
    trio.run(main)
