"""What a socket still knows: a walk over everything that can be reached from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import Final

from trio_mq import Context, Peer, Socket
from trio_mq._connections.inproc_link import InprocLink
from trio_mq._connections.link import Link
from trio_mq._pipes.pipe import Pipe
from trio_mq._transports.inproc import Namespace

#: Where a pipe or a connection that has gone may still be known, and why.
MAY_REMEMBER: Final = {
    "FairQueue.current": "the pipe of the message that was taken last, which may be put back",
    "LastRequester._requester": "a reply to a client that has left is dropped when it is given",
    "Exchange.pipe": "a request that is over tells where it went",
    "Dialer.link": "for the moments between the end of a connection and that of its stream",
    "Binder.links": "as above",
    "_Drain._marks": "looked at, and emptied, when messages leave a pipe",
}


def known_to(socket: Socket) -> Iterator[tuple[str, Pipe | Link | InprocLink]]:
    """Yield each pipe and connection that a socket knows, and where from."""
    yield from _walk("", socket, set())


def _walk(
    where: str, thing: object, seen: set[int]
) -> Iterator[tuple[str, Pipe | Link | InprocLink]]:
    if where in MAY_REMEMBER:
        return
    if isinstance(thing, (Pipe, Link, InprocLink)):
        yield where, thing
    elif id(thing) not in seen:
        seen.add(id(thing))
        for name, part in _parts(thing):
            yield from _walk(name or where, part, seen)


def _parts(thing: object) -> Iterable[tuple[str, object]]:
    """Return what a thing is made of, and the name of each part if it has one."""
    match thing:
        case str() | bytes() | FunctionType() | type() | Peer() | Context() | Namespace():
            pass  # plain, or other people's: a Peer is what users keep, a context is shared
        case MethodType():
            return [("", thing.__self__)]
        case partial():
            return [("", part) for part in (thing.func, *thing.args)]
        case Mapping():
            return [("", part) for pair in thing.items() for part in pair]
        case Iterable() if type(thing).__module__ in ("builtins", "collections"):
            return [("", part) for part in thing]
        case _ if type(thing).__module__.startswith("trio_mq"):
            name = type(thing).__name__
            return [(f"{name}.{attribute}", part) for attribute, part in _attributes(thing)]
    return ()


def _attributes(thing: object) -> Iterator[tuple[str, object]]:
    yield from getattr(thing, "__dict__", {}).items()
    for kind in type(thing).__mro__:
        slots = getattr(kind, "__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if hasattr(thing, slot):
                yield slot, getattr(thing, slot)


def ghosts(socket: Socket) -> list[str]:
    """Say which pipes and connections a socket knows that are not its own any more."""
    ledger = socket._members.ledger
    found = []
    for where, known in known_to(socket):
        here = known in ledger.pipes if isinstance(known, Pipe) else known in links_of(socket)
        if not here:
            found.append(f"{where} knows {known!r}, which is gone")
    return found


def links_of(socket: Socket) -> list[object]:
    """Return the handshaken connections of a socket, and those on their way to it."""
    links: list[object] = [*socket._members.links.values()]
    for endpoint in socket._opened.endpoints.everything() if socket._opened is not None else ():
        links += getattr(endpoint, "links", ())
        links.append(getattr(endpoint, "link", None))
    return links
