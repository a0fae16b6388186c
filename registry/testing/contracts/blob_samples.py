"""Bytes, names and short cuts for the tests of blob stores."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from itertools import pairwise

from registry.ports.blobs import PIECE_BYTES, BlobStore

EMPTY = hashlib.sha256(b"").hexdigest()
ABSENT = "ab" * 32
#: Two whole pieces and a bit, without a period that would hide a piece in a wrong place.
LONG = b"".join(number.to_bytes(4, "big") for number in range(2 * PIECE_BYTES // 4 + 99))

HOSTILE_DIGESTS = (
    "",
    "ab",
    "AB" * 32,
    "ab" * 31 + "a",
    "ab" * 32 + "\n",
    "ab" * 31 + "/.",
    "../" * 21 + "a",
    "ab" * 31 + "\0a",
    "\uff41b" * 32,
    "sha256:" + "ab" * 32,
)
HOSTILE_KEYS = (
    "",
    ".",
    "..",
    "../blobs",
    "a/b",
    "/etc/passwd",
    "A",
    "a_b",
    "a\n",
    "a\0b",
    "é",
    "a" * 129,
    ".probe",
)


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fresh_key() -> str:
    return uuid.uuid4().hex


def put(store: BlobStore, data: bytes) -> str:
    """Store these bytes and return their sha256."""
    key = fresh_key()
    store.append(key, 0, [data])
    return store.commit(key, sha256_of(data), len(data)).sha256


def read(store: BlobStore, sha256: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join(store.open_range(sha256, start, length))


def cut(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The data in parts, cut at these offsets."""
    edges = [0, *sorted(cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]
