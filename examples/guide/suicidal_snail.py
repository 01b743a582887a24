"""A subscriber that is too slow finds out, and ends rather than act on old news."""

import trio

import trio_mq

NEWS = "inproc://news"
#: Seconds by which news may be late.
LATE = 1.0


class TooLate(Exception):
    """What is heard is not what is."""


async def publish() -> None:
    """Say what time it is, a hundred times a second."""
    async with trio_mq.Pub(bind=NEWS) as pub:
        while True:
            await pub.send(str(trio.current_time()).encode())
            await trio.sleep(0.01)


async def listen(seconds: float) -> None:
    """Work for so long on each message, and look at how old the next one is.

    Raises:
        TooLate: It has fallen behind.
    """
    async with trio_mq.Sub(connect=NEWS, topics="") as sub:
        async for message in sub:
            if trio.current_time() - float(message.text) > LATE:
                raise TooLate
            await trio.sleep(seconds)


async def main() -> None:
    """Let a quick one and a slow one listen for ten seconds."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(publish)
        with trio.move_on_after(10):
            await listen(0.001)
        print("the quick one is still there")
        try:
            await listen(0.02)
        except TooLate:
            print("the slow one has ended itself")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
