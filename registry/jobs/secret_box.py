"""Secrets at rest: AES-256-GCM under a key made from the ticket key.

The price of that: who replaces the ticket key has to rotate the webhooks' secrets; until then each
delivery says so.
"""

from __future__ import annotations

import base64
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from registry.errors import StorageError

_NONCE_BYTES = 12


class AesSecretBox:
    def __init__(self, key: bytes) -> None:
        """32 bytes."""
        self._aead = AESGCM(key)

    def seal(self, secret: str, *, of: str) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._aead.encrypt(nonce, secret.encode(), of.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, *, of: str) -> str:
        try:
            data = base64.b64decode(sealed, validate=True)
            nonce, rest = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
            return self._aead.decrypt(nonce, rest, of.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise StorageError(
                what=f"The secret of webhook {of}",
                store="database",
                cause="it was sealed with another key",
                fix=f"Restore the ticket key, or make a new secret: hallmark webhook rotate {of}",
            ) from error
