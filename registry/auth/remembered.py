"""A directory that takes a password for right once more, for a short while after it was right."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Sequence

from registry.domain.directory import Account, LookedUp, Step
from registry.ports.clock import Clock
from registry.ports.directory import Directory

REMEMBERED_MAX = 10_000
TTL_S_MAX = 300


class RememberingDirectory:
    """Only successes of passwords are remembered; what is looked up never is.

    Kept are hashes under a key that this process alone has and forgets, never a password.
    """

    def __init__(self, directory: Directory, *, clock: Clock, ttl_s: int) -> None:
        if not 0 <= ttl_s <= TTL_S_MAX:
            raise ValueError(f"{ttl_s} seconds, where at most {TTL_S_MAX} are safe")
        self._directory = directory
        self._clock = clock
        self._ttl_us = ttl_s * 1_000_000
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, tuple[Account, int]] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._directory.name

    def authenticate(
        self, user: str, password: str, *, admit: Callable[[str], None]
    ) -> Account | None:
        key = self._hash(user, password)
        now = self._clock.now_us()
        with self._lock:
            account, until_us = self._right.get(key, (None, 0))
        if account is not None and now < until_us:
            return account
        account = self._directory.authenticate(user, password, admit=admit)
        if account is not None and not account.disabled and self._ttl_us:
            self._remember(key, account, now)
        return account

    def look_up(self, stable_ids: Sequence[str]) -> LookedUp:
        found = self._directory.look_up(stable_ids)
        active = {id for id, account in found.accounts.items() if not account.disabled}
        self._forget(set(stable_ids) - active - found.unclear.keys())
        return found

    def probe(self, user: str = "") -> Sequence[Step]:
        return self._directory.probe(user)

    def _hash(self, user: str, password: str) -> bytes:
        # The length keeps a user and a password from being taken for others.
        text = f"{len(user)}:{user}{password}".encode(errors="surrogatepass")
        return hmac.digest(self._key, text, hashlib.sha256)

    def _remember(self, key: bytes, account: Account, now_us: int) -> None:
        with self._lock:
            if len(self._right) >= REMEMBERED_MAX:
                del self._right[next(iter(self._right))]
            self._right[key] = (account, now_us + self._ttl_us)

    def _forget(self, stable_ids: set[str]) -> None:
        with self._lock:
            kept = {k: v for k, v in self._right.items() if v[0].stable_id not in stable_ids}
            self._right = kept
