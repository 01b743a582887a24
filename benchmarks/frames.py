"""Nanoseconds per message of the codec alone: no sockets, no tasks, no event loop.

Run it with ``python -m benchmarks.frames``. Each figure is the best of several rounds, since
whatever disturbs a round can only make it slower; each row decodes the same bytes in reads of
64 KiB, as a link does, and encodes the same messages in batches of 1 000.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from trio_mq import zmtp
from trio_mq._message import Frames

READ = 64 * 1024
BATCH = 1000
ROUNDS = 7

Load = list[Frames]


def loads() -> Mapping[str, Load]:
    """Return what is measured, by name."""
    chance = random.Random(1)
    body = chance.randbytes(1 << 20)
    return {
        "16 B": [(body[:16],)] * 40_000,
        "1 to 64 B": [(body[: chance.randint(1, 64)],) for _ in range(40_000)],
        "16 or 300 B": [(body[: chance.choice((16, 300))],) for _ in range(20_000)],
        "256 B": [(body[:256],)] * 20_000,
        "1 KiB": [(body[:1024],)] * 10_000,
        "64 KiB": [(body[: 64 * 1024],)] * 400,
        "1 MiB": [(body,)] * 50,
        "5 x 16 B": [(body[:16],) * 5] * 10_000,
        "empty, id, 1 KiB": [(body[:5], b"", body[:1024])] * 5_000,
    }


def established() -> tuple[zmtp.Connection, zmtp.Connection]:
    """Return two connections back to back that have shaken hands."""
    push = zmtp.Connection(zmtp.SocketType.PUSH, zmtp.Role.CONNECTING)
    pull = zmtp.Connection(zmtp.SocketType.PULL, zmtp.Role.ACCEPTING)
    for speaker, listener in ((push, pull), (pull, push), (push, pull), (pull, push)):
        listener.receive_data(speaker.data_to_send())
        if isinstance(listener.next_event(), zmtp.PeerReady):
            listener.accept()
    return push, pull


def encode(messages: Load) -> int:
    """Encode everything in batches; return the number of bytes."""
    push, _ = established()
    batches = iter(messages)
    total = 0
    while batch := list(islice(batches, BATCH)):
        total += sum(map(len, push.encode(batch)))
    return total


def decode(reads: Sequence[bytes]) -> int:
    """Decode everything as a link would with plain reads; return the number of messages."""
    _, pull = established()
    count = 0
    for read in reads:
        pull.receive_data(read)
        count += taken(pull)
    return count


def taken(pull: zmtp.Connection) -> int:
    """Return how many messages came out."""
    count = 0
    while isinstance(event := pull.next_event(BATCH), zmtp.Messages):
        count += len(event.messages)
    return count


def best(run: Callable[[], int], expected: int, messages: int) -> float:
    """Return the nanoseconds per message of the fastest round."""
    return min(rounds(run, expected)) / messages * 1e9


def rounds(run: Callable[[], int], expected: int) -> Iterator[float]:
    """Yield the seconds of each round, having checked that it did the work."""
    for _ in range(ROUNDS):
        start = time.perf_counter()
        result = run()
        yield time.perf_counter() - start
        assert result == expected


def main() -> None:
    """Measure and print."""
    print(f"{'ns per message':<20}{'encode':>12}{'decode':>12}")
    for name, messages in loads().items():
        wire = b"".join(map(zmtp.encode_message, messages))
        reads = [wire[at : at + READ] for at in range(0, len(wire), READ)]
        count = len(messages)
        figures = (
            best(lambda: encode(messages), len(wire), count),  # noqa: B023 - called at once
            best(lambda: decode(reads), count, count),  # noqa: B023
        )
        print(f"{name:<20}{figures[0]:>12.0f}{figures[1]:>12.0f}")


if __name__ == "__main__":
    main()
