"""Decides which callers are allowed: addresses behind proxies, allow-lists, secrets, and connections per address.

This module neither logs nor answers. Secrets are compared in constant time and not kept.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from bridge.value import value_object

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

KEEPALIVE = 15.0
"""Seconds that a connection may be idle. aiohttp's default is an hour. In that time the connection pool of the platform
could use up our open files."""
HEAD_TIMEOUT = 10.0
"""Seconds from the first byte of a request to the end of its head."""
MAX_CONNECTIONS_PER_ADDRESS = 200
MAX_CONNECTIONS = 800
"""Over all addresses. Below the usual limit of 1,024 open files, so that accepting a connection never fails."""


def parse_address(text: str) -> Address | None:
    """Read an address as proxies write it: bare, ``1.2.3.4:5678`` or ``[::1]:5678``. None for anything else.

    An IPv4 address mapped to IPv6 (``::ffff:1.2.3.4``, as a dual-stack socket reports it) is returned as IPv4.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def contains(networks: Iterable[Network], address: Address) -> bool:
    return any(address in network for network in networks)


def client_address(remote: str | None, forwarded: Sequence[str], trusted: Sequence[Network]) -> Address | None:
    """The address of the caller. None if it is unknown.

    ``forwarded`` are the ``X-Forwarded-For`` header lines in their order. Only the hops that trusted proxies wrote
    count: from the right, the first hop that is not a trusted proxy is the caller. The hops to the left of it were
    written by the caller and prove nothing.
    """
    address = parse_address(remote) if remote else None
    if address is None or not forwarded or not contains(trusted, address):
        return address
    for hop in reversed(",".join(forwarded).split(",")):
        address = parse_address(hop)
        if address is None or not contains(trusted, address):
            return address
    return address


def same_secret(given: bytes, secret: bytes) -> bool:
    return hmac.compare_digest(given, secret)


@value_object
class Limits:
    """Limits for connections. Tests use small ones."""

    keepalive: float = KEEPALIVE
    head_timeout: float = HEAD_TIMEOUT
    per_address: int = MAX_CONNECTIONS_PER_ADDRESS
    total: int = MAX_CONNECTIONS
    exempt: tuple[Network, ...] = ()
    """Networks without a limit per address: trusted proxies, because all their callers share one address. Loopback is
    always exempt, because a proxy on this machine may be missing from the configuration. ``total`` limits all."""


class ConnectionCounter:
    """Counts open connections, in all and for each address. After each :meth:`admit` that returned True, the caller
    calls :meth:`leave` once."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: Counter[str] = Counter()
        self._total = 0

    def admit(self, remote: str) -> bool:
        if self._total >= self.limits.total:
            return False
        if self._open[remote] >= self.limits.per_address and not self._exempt(remote):
            return False
        self._open[remote] += 1
        self._total += 1
        return True

    def leave(self, remote: str) -> None:
        self._total -= 1
        self._open[remote] -= 1
        if self._open[remote] <= 0:
            del self._open[remote]

    def _exempt(self, remote: str) -> bool:
        address = parse_address(remote)
        return address is not None and (address.is_loopback or contains(self.limits.exempt, address))
