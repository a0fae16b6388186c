"""Local files that are handed to the jail, opened by whoever starts it."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def open_file(path: Path) -> int:
    """A descriptor open for reading. OSError for a link, a pipe and a device."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it is no regular file any more")
    return descriptor
