"""A libzmq program: it does what lines of JSON on its standard input say, and answers in kind.

The tests start it as a process of its own (`tests.interop.libzmq` is the other end), so that it
can be stopped and killed, and so that no lock or thread is shared with what is tested. A request
names an operation of `Program` and its arguments; the answer is ``{"value": …}``, or
``{"error": "EAGAIN"}`` with the name of the libzmq error.

A frame is text of the characters 0 to 255, or the number n for `pattern` of n bytes: so megabytes
pass between libzmq and trio_mq and nowhere else.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

import zmq
import zmq.utils.monitor

#: A frame in JSON.
FrameText: TypeAlias = str | int
MessageText: TypeAlias = list[FrameText]
#: The value of a libzmq option in JSON: text stands for bytes.
OptionText: TypeAlias = str | int

#: Milliseconds after which libzmq gives up: far more than a test needs, less than its guard waits.
_PATIENCE: Final = 20_000
#: Milliseconds after which a handler looks whether it is to end.
_LOOK_EVERY: Final = 20
_LONG_FRAME: Final = 4096


@lru_cache(maxsize=16)
def pattern(size: int) -> bytes:
    """Return bytes that repeat, but not at any power of two: a lost or doubled block shows."""
    period = bytes(range(251))
    return (period * (size // len(period) + 1))[:size]


def frame_to_text(frame: bytes) -> FrameText:
    """Write a frame down."""
    if len(frame) > _LONG_FRAME and frame == pattern(len(frame)):
        return len(frame)
    return frame.decode("latin-1")


def frame_from_text(text: FrameText) -> bytes:
    """Read a frame that was written down."""
    return pattern(text) if isinstance(text, int) else text.encode("latin-1")


def message_to_text(frames: Iterable[bytes]) -> MessageText:
    """Write a message down."""
    return [frame_to_text(frame) for frame in frames]


def message_from_text(text: MessageText) -> list[bytes]:
    """Read a message that was written down."""
    return [frame_from_text(frame) for frame in text]


class Handler:
    """A handler of ZAP that gives everybody the same answer, in a thread of its own."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], status: str, user: str) -> None:
        self._socket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.RCVTIMEO, _LOOK_EVERY)
        self._socket.bind("inproc://zeromq.zap.01")
        self._answer = [status.encode(), b"as told", user.encode(), b""]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                version, request_id, *_ = self._socket.recv_multipart()
            except zmq.Again:
                continue
            self._socket.send_multipart([version, request_id, *self._answer])
        self._socket.close(linger=0)

    def end(self) -> None:
        """Answer no more."""
        self._over.set()
        self._thread.join()


class Program:
    """The operations, on sockets by name."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._monitors: dict[str, zmq.Socket[bytes]] = {}
        self._handler: Handler | None = None

    def handle(self, status: str, user: str) -> None:
        """Be asked about peers, and answer this."""
        self._handler = Handler(self._context, status, user)

    def _end_handler(self) -> None:
        if self._handler is not None:
            self._handler.end()

    def reset(self) -> None:
        """Close everything, and begin anew."""
        self._end_handler()
        self._context.destroy(linger=0)
        self.__init__()  # type: ignore[misc]  # nobody inherits from it

    def open(self, socket: str, kind: str, options: Mapping[str, OptionText]) -> None:
        """Make a socket, watched by a monitor."""
        opened = self._sockets[socket] = self._context.socket(zmq.SocketType[kind])
        for name, value in {"RCVTIMEO": _PATIENCE, "SNDTIMEO": _PATIENCE, **options}.items():
            self._set(opened, name, value)
        self._monitors[socket] = self._monitor(socket, opened)

    def _monitor(self, name: str, watched: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
        watched.monitor(f"inproc://monitor of {name}", zmq.EVENT_ALL)
        monitor = self._context.socket(zmq.PAIR)
        monitor.setsockopt(zmq.RCVTIMEO, _PATIENCE)
        monitor.connect(f"inproc://monitor of {name}")
        return monitor

    def set(self, socket: str, options: Mapping[str, OptionText]) -> None:
        """Set options."""
        for name, value in options.items():
            self._set(self._sockets[socket], name, value)

    def _set(self, socket: zmq.Socket[bytes], name: str, value: OptionText) -> None:
        socket.setsockopt(
            zmq.SocketOption[name], value.encode("latin-1") if isinstance(value, str) else value
        )

    def bind(self, socket: str, endpoint: str) -> str:
        """Bind, and return the resolved endpoint."""
        self._sockets[socket].bind(endpoint)
        return self._sockets[socket].getsockopt_string(zmq.LAST_ENDPOINT)

    def unbind(self, socket: str, endpoint: str) -> None:
        """Undo a bind."""
        self._sockets[socket].unbind(endpoint)

    def connect(self, socket: str, endpoint: str) -> None:
        """Connect, in the background."""
        self._sockets[socket].connect(endpoint)

    def disconnect(self, socket: str, endpoint: str) -> None:
        """Undo a connect."""
        self._sockets[socket].disconnect(endpoint)

    def send(self, socket: str, messages: list[MessageText]) -> None:
        """Send messages, waiting for room."""
        for message in messages:
            self._sockets[socket].send_multipart(message_from_text(message))

    def offer(self, socket: str, message: MessageText, count: int) -> int:
        """Send a message up to so many times while there is room; return how often there was."""
        frames = message_from_text(message)
        for sent in range(count):
            try:
                self._sockets[socket].send_multipart(frames, zmq.DONTWAIT)
            except zmq.Again:
                return sent
        return count

    def receive(self, socket: str, count: int) -> list[MessageText]:
        """Receive so many messages, waiting for them."""
        return [message_to_text(self._sockets[socket].recv_multipart()) for _ in range(count)]

    def drain(self, socket: str) -> list[MessageText]:
        """Receive what waits."""
        messages: list[MessageText] = []
        while True:
            try:
                frames = self._sockets[socket].recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return messages
            messages.append(message_to_text(frames))

    def echo(self, socket: str, count: int) -> None:
        """Send so many messages back to where they come from."""
        for _ in range(count):
            self._sockets[socket].send_multipart(self._sockets[socket].recv_multipart())

    def ask(self, socket: str, messages: list[MessageText]) -> list[MessageText]:
        """Send messages in turn, each after the reply to the one before."""
        replies = []
        for message in messages:
            self.send(socket, [message])
            replies += self.receive(socket, 1)
        return replies

    def events(self, socket: str, until: str) -> list[tuple[str, int]]:
        """Return names and values of what the monitor saw, up to the first event of that name."""
        seen: list[tuple[str, int]] = []
        monitor = self._monitors[socket]
        while not seen or seen[-1][0] != until:
            event = zmq.utils.monitor.recv_monitor_message(monitor)
            seen.append((str(zmq.Event(event["event"]).name), event["value"]))
        return seen

    def wake(self, socket: str) -> None:
        """Let libzmq act on what its threads have told the socket."""
        self._sockets[socket].getsockopt(zmq.EVENTS)

    def close(self, socket: str) -> None:
        """Close one socket, lingering as its options say."""
        opened = self._sockets.pop(socket)
        opened.disable_monitor()
        self._monitors.pop(socket).close()
        opened.close()

    def end(self) -> None:
        """Close everything in order: returns when all that lingers was written."""
        for name in list(self._sockets):
            self.close(name)
        self._end_handler()
        self._context.term()
        self.__init__()  # type: ignore[misc]  # nobody inherits from it


def answer(program: Program, line: str) -> dict[str, object]:
    """Do what a line says."""
    request = json.loads(line)
    operation = getattr(program, request.pop("do"))
    try:
        return {"value": operation(**request)}
    except zmq.ZMQError as error:
        return {"error": zmq.Errno(error.errno or 0).name}


def main() -> None:
    """Answer line by line until the input ends."""
    program = Program()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(program, line)) + "\n")
        sys.stdout.flush()
    program.reset()


if __name__ == "__main__":
    main()
