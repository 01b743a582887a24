"""One authenticator of several."""

from __future__ import annotations

from typing import Final

import trio

from trio_mq.auth.request import Authenticator, Granted, Refused, Request, Verdict, Watching


class _Combined:
    """Several authenticators, some of which may have something to watch."""

    def __init__(self, members: tuple[Authenticator, ...]) -> None:
        name = type(self).__name__.lower().strip("_")
        if not members:
            raise ValueError(f"{name}() has nobody to ask: give at least one authenticator")
        for member in members:
            if not callable(member):
                raise TypeError(f"{name}() takes authenticators, and {member!r} is not one")
        self._members: Final = members

    def __repr__(self) -> str:
        name = type(self).__name__.lower().strip("_")
        return f"{name}({', '.join(map(repr, self._members))})"

    async def watch(self) -> None:
        """Run those that have something to watch; sockets run this."""
        async with trio.open_nursery() as nursery:
            for member in self._members:
                if isinstance(member, Watching):
                    nursery.start_soon(_watch, member)


@trio.lowlevel.enable_ki_protection
async def _watch(member: Watching) -> None:
    await member.watch()


class _Every(_Combined):
    async def __call__(self, request: Request) -> Verdict:
        granted: list[Granted] = []
        for member in self._members:
            verdict = await member(request)
            if not isinstance(verdict, Granted):
                return verdict
            granted.append(verdict)
        users = (each.user_id for each in granted if each.user_id is not None)
        return Granted(
            next(users, None),
            {name: value for each in granted for name, value in each.metadata.items()},
            revocations=tuple(token for each in granted for token in each.revocations),
        )


class _Either(_Combined):
    async def __call__(self, request: Request) -> Verdict:
        refused: list[Refused] = []
        for member in self._members:
            verdict = await member(request)
            if not isinstance(verdict, Refused):
                return verdict
            refused.append(verdict)
        # 300 comes first, so that a peer that may come later tries again. 500 comes before 400,
        # because a peer that could not be judged has not been found bad.
        status = min(refused, key=lambda each: (300, 500, 400).index(each.status)).status
        return Refused(status, "; ".join(each.reason for each in refused))


def every(*authenticators: Authenticator) -> Authenticator:
    """Return an authenticator that lets in whom all of these let in.

    They are asked in turn up to the first that refuses. The user is the one that the first of them
    names, if it names any. Their metadata are merged; later ones replace earlier ones of the same
    name.

    Raises:
        ValueError: There are none.
        TypeError: One of them is no authenticator.
    """
    return _Every(authenticators)


def either(*authenticators: Authenticator) -> Authenticator:
    """Return an authenticator that lets in whom one of these lets in.

    They are asked in turn up to the first that grants; one that fails refuses for all. If all
    refuse, the reason names all reasons, and the status is 300 before 500 before 400.

    Raises:
        ValueError: There are none.
        TypeError: One of them is no authenticator.
    """
    return _Either(authenticators)
