"""A hub for the logs of many programs, with trio_mq or with the PUBHandler of pyzmq."""

import logging

import trio

import trio_mq

HUB = "inproc://logs"


class PubHandler(logging.Handler):
    """Publish each record under the topic ``name.LEVEL``.

    It never waits, so that logging holds up nobody; what the hub can't keep up with is dropped.
    """

    def __init__(self, pub: trio_mq.Pub) -> None:
        super().__init__()
        self.pub = pub

    def emit(self, record: logging.LogRecord) -> None:
        """Send it. From other threads than trio's, put a `logging.handlers.QueueHandler` before."""
        topic = f"{record.name}.{record.levelname}"
        self.pub.send_nowait([topic.encode(), self.format(record).encode()])


async def work(name: str) -> None:
    """Log as usual; only the setting up is new."""
    log = logging.getLogger(name)
    async with trio_mq.Pub(connect=HUB) as pub:
        await pub.wait_for_subscribers(1)
        log.addHandler(handler := PubHandler(pub))
        log.warning("is not sure of %s", "this")
        log.error("has lost %s", "that")
        log.removeHandler(handler)


async def hub(endpoint: str, lines: int) -> None:
    """Print what comes; the topic ``ada.WARNING`` would ask for less, and ``""`` is all."""
    async with trio_mq.Sub(bind=endpoint, topics="") as sub:
        for _ in range(lines):
            topic, text = await sub.receive()
            print(topic.decode(), text.decode().strip())


async def main() -> None:
    """Let two programs log."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub, HUB, 4)
        nursery.start_soon(work, "ada")
        nursery.start_soon(work, "grace")


if __name__ == "__main__":
    trio.run(main)
