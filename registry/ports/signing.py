"""The port of the keys that sign checkpoints of the audit log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

#: Whether a key (64 hex) made this signature of these bytes; False for anything that is no key.
Verify: TypeAlias = Callable[[str, bytes, bytes], bool]


class SigningKeys(Protocol):
    @property
    def public_keys(self) -> tuple[str, ...]:
        """64 hex each; the last is the one to sign with, those before only hand over to it."""

    def sign(self, public_key: str, data: bytes) -> bytes:
        """An Ed25519 signature by one of these keys."""

    def verify(self, public_key: str, data: bytes, signature: bytes) -> bool:
        """See Verify; for any key."""
