"""How often somebody may try to sign in: so many attempts an address, so many for all together. No I/O.

Whoever sits at the computer itself does not count among all: strangers cannot keep the operator out.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

BURST: Final = 10
"""Attempts that one address may make at once."""
EACH_S: Final = 6.0
"""After these, one more each so many seconds."""
BURST_OF_ALL: Final = 200
EACH_OF_ALL_S: Final = 0.1
MOST_ADDRESSES: Final = 4_096
"""Addresses that are remembered; the one unheard of for longest is forgotten first."""

_NETWORK_BITS: Final = 64
"""Whoever has one IPv6 address has a /64 of them."""


class Bucket:
    """Attempts that are left; they grow back one each `each_s`, up to `burst`."""

    __slots__ = ("_at_s", "_burst", "_each_s", "_left")

    def __init__(self, burst: int, each_s: float, *, now_s: float) -> None:
        self._burst = burst
        self._each_s = each_s
        self._left = float(burst)
        self._at_s = now_s

    def wait_s(self, *, now_s: float) -> float:
        """Return the seconds until an attempt is left, 0 where one is."""
        self._left = min(self._burst, self._left + max(0.0, now_s - self._at_s) / self._each_s)
        self._at_s = now_s
        return max(0.0, (1.0 - self._left) * self._each_s)

    def take(self) -> None:
        """Use an attempt up."""
        self._left -= 1.0

    def give_back(self) -> None:
        """Return an attempt that was none: it succeeded."""
        self._left = min(self._burst, self._left + 1.0)


class Attempts:
    """Counts attempts that failed, or have not succeeded yet, so that many at once are bounded too."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._all = Bucket(BURST_OF_ALL, EACH_OF_ALL_S, now_s=now_s())
        self._addresses: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, address: str) -> float:
        """Use up an attempt of an address; return 0, or after how many seconds to try again: then none was used."""
        now_s = self._now_s()
        buckets = self._buckets(address, now_s)
        wait_s = max(bucket.wait_s(now_s=now_s) for bucket in buckets)
        if wait_s == 0.0:
            for bucket in buckets:
                bucket.take()
        return wait_s

    def give_back(self, address: str) -> None:
        """Return the attempt of somebody who was let in."""
        for bucket in self._buckets(address, self._now_s()):
            bucket.give_back()

    def _buckets(self, address: str, now_s: float) -> tuple[Bucket, ...]:
        mine = self._of(address, now_s)
        return (mine,) if is_loopback(address) else (mine, self._all)

    def _of(self, address: str, now_s: float) -> Bucket:
        name = network(address)
        found = self._addresses.get(name)
        if found is None:
            found = self._addresses[name] = Bucket(BURST, EACH_S, now_s=now_s)
            if len(self._addresses) > MOST_ADDRESSES:
                self._addresses.popitem(last=False)
        self._addresses.move_to_end(name)
        return found


def is_loopback(address: str) -> bool:
    """Return whether somebody asks from the computer itself, or through a proxy on it that is not named."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


def network(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _NETWORK_BITS), strict=False))
