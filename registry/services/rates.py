"""How often somebody may do something: a steady rate, and a burst above it.

The generic cell rate algorithm (ITU-T I.371, annex A): one number a key, the time at which its next
call would be due at the steady rate. Two threads that count in the same instant may count one call
for two; nobody gains more than that.
"""

from __future__ import annotations

import ipaddress
import threading

from registry.errors import RateLimitedError

KEYS_MAX = 50_000
_MINUTE_US = 60_000_000


class Rates:
    """Threads share one. What it knows is this process's own: each one grants the whole rate."""

    def __init__(self, *, per_minute: int, burst: int, keys_max: int = KEYS_MAX) -> None:
        """`per_minute` 0 stands for no limit; `burst` calls may come at once."""
        self.per_minute = per_minute
        self._interval_us = _MINUTE_US // per_minute if per_minute else 0
        self._ahead_us = self._interval_us * (burst - 1)
        self._keys_max = keys_max
        self._due_us: dict[str, int] = {}
        self._lock = threading.Lock()

    def wait_us(self, key: str, now_us: int) -> int:
        """How long until one more is allowed; 0 where it is. Counts nothing."""
        return max(self._due_us.get(key, 0) - now_us - self._ahead_us, 0)

    def take(self, key: str, now_us: int) -> int:
        """As `wait_us`; one that is allowed is counted."""
        if not self._interval_us:
            return 0
        due_us = self._due_us.get(key)
        if due_us is None:
            self._add(key)
            due_us = now_us
        wait_us = due_us - now_us - self._ahead_us
        if wait_us > 0:
            return wait_us
        self._due_us[key] = max(due_us, now_us) + self._interval_us
        return 0

    def _add(self, key: str) -> None:
        """Make room: whoever was first seen longest ago starts anew."""
        with self._lock:
            while len(self._due_us) >= self._keys_max:
                del self._due_us[next(iter(self._due_us))]
            self._due_us[key] = 0

    def refusal(self, what: str, of: str, wait_us: int) -> RateLimitedError:
        """The error for who has to wait so long: "what: more than the 60 of a minute"."""
        return RateLimitedError(
            what=what,
            limit=f"{self.per_minute} {of} a minute",
            retry_after_s=wait_us // 1_000_000 + 1,
        )


def party_of(address: str) -> str:
    """Who is behind an address: in IPv6 whoever has one has a whole /64."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
    return str(found)
