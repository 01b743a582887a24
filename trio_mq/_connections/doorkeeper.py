"""What strangers at one endpoint may cost: how often they may knock, and what we do for them.

A handshake costs the server more than it costs the client, above all under CURVE, where each valid
HELLO makes us compute. So handshakes take turns, at a bounded rate: a flood gets that share of the
processor and no more, and waits in the same line as everybody else. So do questions to the
authenticator. One address may take only a part of what all may take, unless it is of this machine:
programs here could do worse, and a proxy such as stunnel brings everybody from here.
"""

from __future__ import annotations

import functools
import ipaddress
import math
from collections import Counter, OrderedDict
from typing import Final

import trio

from trio_mq._limits import Limits
from trio_mq._log import AUTHENTICATOR_FAILED, Sparingly
from trio_mq.auth.request import bare_address

#: Seconds of the processor that a handshake has for its turn. One of CURVE needs less, one of TLS
#: with an RSA key up to twenty times as much.
TURN_SECONDS: Final = 0.2e-3
#: Seconds for which an address that was refused too often may not come again.
_BLOCKED: Final = 60.0
#: Addresses whose refusals are remembered; of more, the oldest are forgotten.
_REMEMBERED: Final = 10_000


class Allowance:
    """How often something may happen: at a steady rate, and some times more that were saved up.

    Args:
        rate: How often in a second; ``None``: without a limit.
        burst: How many times at once after a rest.
    """

    __slots__ = ("_burst", "_rate", "_saved", "_since")

    def __init__(self, rate: float | None, burst: int) -> None:
        self._rate = math.inf if rate is None else rate
        self._burst = burst
        self._saved = float(burst)
        self._since = -math.inf

    async def use(self) -> None:
        """Wait until it may happen again. The order of several tasks is up to the caller."""
        while pause := self._pause(trio.current_time()):  # noqa: ASYNC110  # time alone changes it
            await trio.sleep(pause)
        self._saved -= 1.0

    def charge(self, times: float) -> None:
        """Count what has happened unasked; whoever comes next waits for it."""
        self._pause(trio.current_time())
        self._saved -= times

    def _pause(self, now: float) -> float:
        if self._rate == math.inf:
            return 0.0
        earned = (now - self._since) * self._rate
        self._saved = min(float(self._burst), self._saved + earned)
        self._since = now
        # Nearly a whole one counts as one. Otherwise a wait that is too short for the clock to
        # measure would never end.
        return 0.0 if self._saved > 1.0 - 1e-6 else (1.0 - self._saved) / self._rate


def counted(address: str) -> str | None:
    """Return whom an address stands for: a host, a network of IPv6, or nobody in particular."""
    host, _, port = address.rpartition(":")
    # One host comes from many ports, and in a flood it comes often.
    return _counted(host) if port.isdecimal() else None


@functools.lru_cache(maxsize=_REMEMBERED)
def _counted(host: str) -> str | None:
    try:
        ip = ipaddress.ip_address(bare_address(f"{host}:0"))
    except ValueError:
        return None
    if ip.is_loopback:
        return None
    if ip.version == 6:
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


class Doorkeeper:
    """Keeps the limits of one endpoint.

    Args:
        endpoint: Its name, for the log.
        limits: Those of the endpoint.
    """

    def __init__(self, endpoint: str, limits: Limits) -> None:
        self._limits = limits
        self._accepts = Allowance(limits.max_accepts_per_second, limits.max_accept_burst)
        self._handshakes = Allowance(limits.max_handshakes_per_second, limits.max_handshake_burst)
        self._turn = trio.StrictFIFOLock()
        #: One token for each question that may be asked at the same time; a peer that waits for one
        #: is in line.
        self.questions: trio.Semaphore = trio.Semaphore(limits.max_authentications)
        self._half_open: Counter[str] = Counter()
        self._peers: Counter[str] = Counter()
        #: When each address was refused lately, the oldest address first.
        self._refused: OrderedDict[str, list[float]] = OrderedDict()
        self._complaints = Sparingly(AUTHENTICATOR_FAILED, endpoint)

    # -- who may come to the door --

    async def next_visitor(self) -> None:
        """Wait until another connection may be accepted."""
        await self._accepts.use()

    def turns_away(self, address: str) -> str | None:
        """Return why a newcomer may not even begin, in a word for events; ``None``: it may."""
        who = counted(address)
        if who is None:
            return None
        limits = self._limits
        if self._is_blocked(who):
            return "refused-too-often"
        if _reached(self._half_open[who], limits.max_half_open_per_address):
            return "too-many-half-open"
        if _reached(self._half_open[who] + self._peers[who], limits.max_peers_per_address):
            return "too-many-from-address"
        return None

    def came(self, address: str) -> None:
        """A connection has begun its handshake."""
        if (who := counted(address)) is not None:
            self._half_open[who] += 1

    def established(self, address: str) -> None:
        """It has finished it."""
        if (who := counted(address)) is not None:
            _take_from(self._half_open, who)
            self._peers[who] += 1

    def left(self, address: str, *, was_peer: bool) -> None:
        """It has ended."""
        if (who := counted(address)) is not None:
            _take_from(self._peers if was_peer else self._half_open, who)

    # -- what is done for them --

    async def may_compute(self) -> None:
        """Wait, in line, until a handshake may cost us something."""
        async with self._turn:
            await self._handshakes.use()

    def computed_longer(self, seconds: float) -> None:
        """Let others wait for a handshake that took so much more of the processor than its turn."""
        self._handshakes.charge(seconds / TURN_SECONDS)

    def refused(self, address: str) -> None:
        """Somebody there has shown credentials that are not good."""
        who, most = counted(address), self._limits.max_auth_failures_per_minute
        if who is None or most is None:
            return
        times = self._refused.setdefault(who, [])
        self._refused.move_to_end(who)
        times.append(trio.current_time())
        del times[:-most]
        if len(self._refused) > _REMEMBERED:
            self._refused.popitem(last=False)

    def _is_blocked(self, who: str) -> bool:
        times, most = self._refused.get(who), self._limits.max_auth_failures_per_minute
        if times is None or most is None or len(times) < most:
            return False
        # That many failures came within a minute, and the block since the last is not over.
        return times[-1] - times[0] < 60.0 and trio.current_time() < times[-1] + _BLOCKED

    # -- what is told of them --

    def complain(self, text: str, *values: object) -> None:
        """Log an error, unless one was logged a moment ago; the next line says how many were not.

        Args:
            text: What happened, for ``%`` with the values.
            *values: Of the text.
        """
        self._complaints.tell(text % values)


def _reached(count: int, most: int | None) -> bool:
    return most is not None and count >= most


def _take_from(counter: Counter[str], who: str) -> None:
    counter[who] -= 1
    if counter[who] <= 0:
        del counter[who]
