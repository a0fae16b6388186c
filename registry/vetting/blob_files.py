"""Blobs as open files, for the jail to look at."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from registry.errors import NotFoundError
from registry.ports.blobs import BlobStore, HasLocalPath


def open_blob(blobs: BlobStore, sha256: str) -> int:
    """A descriptor open for reading. Of a store whose blobs are no files, it is that of a copy,
    which is gone when the descriptor is closed.

    NotFoundError where there is no such blob; OSError or StorageError where it cannot be read.
    """
    if isinstance(blobs, HasLocalPath):
        path = blobs.local_path(sha256)
        if path is None:
            raise NotFoundError(kind="blob", name=sha256, fix="Push the file again.")
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with tempfile.TemporaryDirectory(prefix="hallmark-vetting-") as folder:
        copy = Path(folder, "blob")
        blobs.copy_to(sha256, copy)
        return os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
