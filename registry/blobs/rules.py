"""What every store judges alike, whatever its bytes lie in: keys, ranges, sizes."""

from __future__ import annotations

import re

from registry.errors import (
    CorruptBytesError,
    NotFoundError,
    OffsetMismatchError,
    RangeNotSatisfiableError,
    SizeMismatchError,
)
from registry.names.text import invalid, show

_KEY = re.compile(r"[a-z0-9-]{1,128}")


def is_key(key: str) -> bool:
    """True where bytes may be staged under this key."""
    return _KEY.fullmatch(key) is not None


def check_key(key: str) -> str:
    """The key, if bytes may be staged under it."""
    if not is_key(key):
        found = f"{len(key)} characters, {show(key)}"
        fix = "Use the key that the upload session gave."
        raise invalid("key", found, "1-128 of a-z, 0-9 and '-'", fix)
    return key


def span(
    sha256: str,
    start: int,
    length: int | None,
    *,
    stored_bytes: int,
    size_bytes: int | None,
) -> tuple[int, int]:
    """Where to begin and where to stop reading a blob of `stored_bytes`, as `open_range` says."""
    if size_bytes is not None and size_bytes != stored_bytes:
        problem = f"{stored_bytes} bytes are stored, its record says {size_bytes}"
        raise CorruptBytesError(sha256=sha256, problem=problem)
    if not 0 <= start <= stored_bytes or (length is not None and length < 0):
        end = "the end" if length is None else str(start + length)
        raise RangeNotSatisfiableError(
            what=blob_named(sha256), found=f"from {start} to {end}", size=stored_bytes
        )
    return start, stored_bytes if length is None else min(start + length, stored_bytes)


def check_offset(key: str, *, stored_bytes: int, offset: int) -> None:
    """Raise OffsetMismatchError unless the sender goes on exactly where the staged bytes end."""
    if stored_bytes != offset:
        raise OffsetMismatchError(what=upload_named(key), stored=stored_bytes, offset=offset)


def check_size(key: str, *, staged_bytes: int, size_bytes: int) -> None:
    """Raise SizeMismatchError, with the way out, unless all that was announced has come."""
    if staged_bytes < size_bytes:
        fix = f"Send the rest from offset {staged_bytes} on, then commit again."
    elif staged_bytes > size_bytes:
        fix = "Discard the upload and start again with the size that the file has now."
    else:
        return
    raise SizeMismatchError(
        what=upload_named(key), found=staged_bytes, expected=size_bytes, fix=fix
    )


def no_blob(sha256: str) -> NotFoundError:
    return NotFoundError(
        kind="blob",
        name=f"sha256:{sha256}",
        fix="Send its bytes first: hallmark push does.",
    )


def damaged(sha256: str, *, found: str) -> CorruptBytesError:
    return CorruptBytesError(sha256=sha256, problem=f"its bytes hash to {found}")


def blob_named(sha256: str) -> str:
    return f"Blob sha256:{sha256}"


def upload_named(key: str) -> str:
    return f"Upload {key}"
