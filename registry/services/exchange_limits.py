"""What one party may cause in a time, so that forged tokens burn no core and fill no log."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict

_S = 1_000_000


class Allowances:
    """An allowance for each key: so many at once, and from then on so many a second.

    Kept in this process's memory alone: each process of a server counts what it answers itself.
    Threads share one. Of more than `keys_max` keys the one that was longest unused is forgotten.
    """

    def __init__(self, *, burst: int, per_s: float, keys_max: int = 10_000) -> None:
        self._burst = burst
        self._per_s = per_s
        self._keys_max = keys_max
        #: What is left, as of when.
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def is_open(self, key: str, now_us: int) -> bool:
        """Whether anything is left; takes nothing."""
        with self._lock:
            return self._level(key, now_us) >= 1

    def take(self, key: str, now_us: int) -> bool:
        """Take one; False, and nothing taken, where nothing is left."""
        with self._lock:
            level = self._level(key, now_us)
            taken = level >= 1
            self._left[key] = (level - taken, now_us)
            self._left.move_to_end(key)
            if len(self._left) > self._keys_max:
                self._left.popitem(last=False)
            return taken

    @property
    def pause_s(self) -> int:
        """After so long there is one more."""
        return max(1, round(1 / self._per_s))

    def _level(self, key: str, now_us: int) -> float:
        level, since_us = self._left.get(key, (float(self._burst), now_us))
        return min(float(self._burst), level + (now_us - since_us) / _S * self._per_s)


def party_of(address: str) -> str:
    """Who is behind an address: in IPv6 whoever has one has a whole /64."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
    return str(found)
