"""Who may come in by where they are."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final, TypeAlias

from trio_mq.auth.request import Granted, Refused, Request, Verdict

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Addresses:
    """Let in peers by their IP addresses, and nobody by name: combine it with `every`.

    A peer is refused if its address is in ``deny``, or if there is an ``allow`` and it is not in
    that. A peer without an IP address, such as one over ipc, is in neither. Somebody on the way can
    forge an address, and it says nothing about who a peer is.

    Args:
        allow: Networks such as ``"10.0.0.0/8"``, or single addresses; left out, all of them.
        deny: The same; left out, none.

    Raises:
        ValueError: One of them is no network, or neither list is given.
    """

    def __init__(
        self, allow: Iterable[str] | None = None, deny: Iterable[str] | None = None
    ) -> None:
        if allow is None and deny is None:
            raise ValueError("Addresses() would let everybody in: give allow, deny or both")
        self._allow: Final = None if allow is None else _networks("allow", allow)
        self._deny: Final = _networks("deny", deny or ())

    def __repr__(self) -> str:
        allow = "all" if self._allow is None else ", ".join(map(str, self._allow)) or "none"
        deny = f" but {', '.join(map(str, self._deny))}" if self._deny else ""
        return f"<Addresses: {allow}{deny}>"

    async def __call__(self, request: Request) -> Verdict:
        """Grant by address."""
        try:
            address = ipaddress.ip_address(request.address.partition("%")[0])
        except ValueError:
            if self._allow is None:
                return Granted()
            return Refused(400, f"{request.address!r} is no IP address, and so is not allowed")
        if any(address in network for network in self._deny):
            return Refused(400, f"{address} is denied")
        if self._allow is not None and not any(address in network for network in self._allow):
            return Refused(400, f"{address} is not allowed")
        return Granted()


def _networks(what: str, given: Iterable[str]) -> tuple[_Network, ...]:
    if isinstance(given, str):
        given = (given,)
    try:
        return tuple(_unmapped(ipaddress.ip_network(network)) for network in given)
    except ValueError as error:
        raise ValueError(f"{what}: {error}; give networks such as 10.0.0.0/8") from None


def _unmapped(network: _Network) -> _Network:
    """Return the IPv4 network that is meant by ``::ffff:10.0.0.0/104``."""
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network
