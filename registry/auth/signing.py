"""Ed25519 keys in a PEM file, and signatures by them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)


class Ed25519Keys:
    """The last one signs; those before it only hand over to it. Shows no secret."""

    def __init__(self, keys: Sequence[Ed25519PrivateKey]) -> None:
        self._keys = {_raw(key.public_key()): key for key in keys}

    @classmethod
    def parse(cls, pem: bytes) -> Ed25519Keys:
        """Of a file with one or more PEM blocks; ValueError for all else, and for other keys."""
        keys = []
        for block in _BLOCK.finditer(pem):
            try:
                key = load_pem_private_key(block[0], password=None)
            except (TypeError, UnsupportedAlgorithm) as cause:
                raise ValueError("a key with a password, or of an unknown kind") from cause
            if not isinstance(key, Ed25519PrivateKey):
                raise ValueError("a key of another kind than Ed25519")
            keys.append(key)
        if not keys:
            raise ValueError("no PEM block with a private key")
        return cls(keys)

    @classmethod
    def fresh(cls) -> Ed25519Keys:
        return cls([Ed25519PrivateKey.generate()])

    @property
    def public_keys(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def sign(self, public_key: str, data: bytes) -> bytes:
        return self._keys[public_key].sign(data)

    def verify(self, public_key: str, data: bytes, signature: bytes) -> bool:
        return verify(public_key, data, signature)


def verify(public_key: str, data: bytes, signature: bytes) -> bool:
    """Whether a key (64 hex) made this signature; False for what is no key."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def new_private_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def parse_public_pem(pem: bytes) -> tuple[str, ...]:
    """The keys (64 hex) in a file of one or more PEM blocks; ValueError for all else."""
    keys = []
    for block in _BLOCK.finditer(pem):
        try:
            key = load_pem_public_key(block[0])
        except UnsupportedAlgorithm as cause:
            raise ValueError("a key of an unknown kind") from cause
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("a key of another kind than Ed25519")
        keys.append(_raw(key))
    if not keys:
        raise ValueError("no PEM block with a public key")
    return tuple(keys)


def _raw(key: Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
