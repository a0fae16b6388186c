"""How much memory a process has had, asked from inside the jail."""

from __future__ import annotations

import os
import re

_STATUS = "/proc/self/status"
_PEAK = re.compile(rb"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


class PeakMemory:
    """Of this process; to be made before it is locked in, since it opens a file.

    Not `getrusage`, which begins with what whoever started the process had: the kernel keeps that
    over exec.
    """

    def __init__(self) -> None:
        self._status = os.open(_STATUS, os.O_RDONLY | os.O_CLOEXEC)

    def bytes(self) -> int:
        """What was resident at its highest."""
        found = _PEAK.search(os.pread(self._status, 1 << 16, 0))
        assert found is not None, f"{_STATUS} has no VmHWM"
        return int(found[1]) * 1024
