"""Nodes that find each other and talk, by ZRE (RFC 36): no server, no address to know."""

import io
import itertools
import math
import socket
import uuid
from contextlib import suppress
from functools import partial

import trio

import trio_mq

HELLO, WHISPER, SHOUT, JOIN, LEAVE, PING, PING_OK = range(1, 8)
START, VERSION = b"\xaa\xa1", b"\x02"
BEACON = ("127.255.255.255", 5670)  # broadcast within this machine, to the port of ZRE
QUIET, LOST = 5.0, 30.0  # seconds until a silent peer is asked for a sign of life, and is given up


def write(text: str, digits: int = 1) -> bytes:
    """Return a text with its length before it."""
    return len(text.encode()).to_bytes(digits) + text.encode()


def read(body: io.BytesIO, digits: int = 1) -> str:
    """Read what `write` has written."""
    return body.read(int.from_bytes(body.read(digits))).decode()


class Peer:
    """Another node: what is known of it, and what it is to be told."""

    def __init__(self) -> None:
        self.name, self.groups, self.life = "", set[str](), trio.CancelScope()
        self.post, self.out = trio.open_memory_channel[tuple[int, bytes, tuple[bytes, ...]]](
            math.inf
        )

    def tell(self, command: int, body: bytes = b"", *content: bytes) -> None:
        """Put a message into the post; they are numbered on their way out."""
        self.post.send_nowait((command, body, content))


class Node:
    """One of many equals, with a name and groups; ``news`` says what it hears."""

    def __init__(self, name: str, *groups: str) -> None:
        self.name, self.groups, self.id = name, groups, uuid.uuid4().bytes
        self.peers: dict[bytes, Peer] = {}
        self.tell_program, self.news = trio.open_memory_channel[tuple[str, ...]](math.inf)

    def shout(self, group: str, text: bytes) -> None:
        """Tell all that are in a group."""
        for peer in self.peers.values():
            if group in peer.groups:
                peer.tell(SHOUT, write(group), text)

    async def run(self, address: str = "127.0.0.1", beacon: tuple[str, int] = BEACON) -> None:
        """Find others and be found, until cancelled."""
        with trio.socket.socket(type=socket.SOCK_DGRAM) as light:
            for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT, socket.SO_BROADCAST):
                light.setsockopt(socket.SOL_SOCKET, option, 1)
            await light.bind(("", beacon[1]))
            async with trio_mq.Router() as inbox, trio.open_nursery() as self.nursery:
                self.endpoint = await inbox.bind(f"tcp://{address}:*")
                port = int(self.endpoint.rpartition(":")[2]).to_bytes(2)
                self.nursery.start_soon(self.look, light)
                self.nursery.start_soon(self.listen, inbox)
                while True:
                    await light.sendto(b"ZRE\x01" + self.id + port, beacon)
                    await trio.sleep(1)

    async def look(self, light: trio.socket.SocketType) -> None:
        """See the beacons of others."""
        while True:
            seen, (host, *_) = await light.recvfrom(100)
            if seen[:4] == b"ZRE\x01" and len(seen) == 22 and seen[4:20] != self.id:
                self.meet(seen[4:20], f"tcp://{host}:{int.from_bytes(seen[20:])}")

    def meet(self, other: bytes, endpoint: str) -> Peer:
        """Take a sign of life; the first one is answered with a connection."""
        if other not in self.peers:
            self.peers[other] = Peer()
            self.nursery.start_soon(self.attend, other, self.peers[other], endpoint)
        peer = self.peers[other]
        peer.life.deadline = trio.current_time() + LOST
        return peer

    async def attend(self, other: bytes, peer: Peer, endpoint: str) -> None:
        """Introduce ourselves to a peer, and tell it what there is, until it is silent."""
        groups = b"".join(write(group, 4) for group in self.groups)
        ours = [write(self.endpoint), len(self.groups).to_bytes(4), groups, b"\x00"]
        hello = b"".join([*ours, write(self.name), bytes(4)])
        with peer.life:
            async with trio_mq.Dealer(connect=endpoint, routing_id=b"\x01" + self.id) as dealer:
                content: tuple[bytes, ...] = ()
                command, body = HELLO, hello
                for number in itertools.count(1):
                    head = START + bytes([command]) + VERSION + (number % 2**16).to_bytes(2)
                    await dealer.send([head + body, *content])
                    command, body, content = PING, b"", ()
                    with trio.move_on_after(QUIET):
                        command, body, content = await peer.out.receive()
        del self.peers[other]
        self.tell("is lost", peer)

    async def listen(self, inbox: trio_mq.Router) -> None:
        """Hear what others say, each over the connection that it has made; pass over nonsense."""
        async for message in inbox:
            name, head, *content = message if len(message) > 1 else (b"", b"")
            if len(name) == 17 and head[:2] == START and head[3:4] == VERSION:
                with suppress(UnicodeDecodeError):
                    self.hear(name[1:], head[2], io.BytesIO(head[6:]), content)

    def hear(self, other: bytes, command: int, body: io.BytesIO, content: list[bytes]) -> None:
        """Take note of what a peer says, beginning with its HELLO."""
        if command != HELLO and (other not in self.peers or not self.peers[other].name):
            return
        peer = self.meet(other, read(body) if command == HELLO else "")
        match command:
            case 1:
                groups = [read(body, 4) for _ in range(min(int.from_bytes(body.read(4)), 1000))]
                body.read(1)  # a status, which nobody needs
                peer.name = read(body)
                self.tell("is here", peer)
                for group in groups:
                    self.join(peer, group)
            case 2:
                self.tell("whispers", peer, *(text.decode() for text in content))
            case 3:
                self.tell("shouts", peer, read(body), *(text.decode() for text in content))
            case 4:
                self.join(peer, read(body))
            case 5:
                peer.groups.discard(read(body))
            case 6:
                peer.tell(PING_OK)

    def join(self, peer: Peer, group: str) -> None:
        """Note who is in a group."""
        peer.groups.add(group)
        self.tell("joins", peer, group)

    def tell(self, what: str, peer: Peer, *more: str) -> None:
        """Tell the program that has this node."""
        self.tell_program.send_nowait((peer.name, what, *more))


async def main(port: int = BEACON[1]) -> None:
    """Let two nodes find each other, in two tasks as they might on two machines."""
    beacon = BEACON[0], port
    ada, grace = Node("ada", "chess"), Node("grace", "chess", "tea")
    async with trio.open_nursery() as nursery:
        for node in (ada, grace):
            nursery.start_soon(partial(node.run, beacon=beacon))
        async for news in ada.news:
            print(*news)
            if news == ("grace", "joins", "tea"):
                ada.shout("tea", b"with milk?")
                break
        async for news in grace.news:
            print(*news)
            if news[1] == "shouts":
                break
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
