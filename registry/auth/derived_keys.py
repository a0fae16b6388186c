"""Keys that are made from the ticket key, one for each purpose.

From the ticket key, and not from files of their own, because every replica has that one already, it
is kept and backed up as a secret already, and each further file would be one more to lose. HKDF
makes them independent: none tells of another.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

#: What was made under another purpose cannot be read under these, so they never change.
WEBHOOK_SECRETS = b"hallmark webhook secrets 1"
LOGIN_ATTEMPTS = b"hallmark login attempts 1"
_KEY_BYTES = 32


def key_for(purpose: bytes, ticket_key: bytes) -> bytes:
    derive = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=purpose)
    return derive.derive(ticket_key)
