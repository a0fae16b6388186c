"""The machine's clock as the Clock port."""

from __future__ import annotations

import threading
import time


class SystemClock:
    """Wall-clock time that never goes back within this process, whatever the machine does."""

    def __init__(self) -> None:
        self._last_us = 0
        self._lock = threading.Lock()

    def now_us(self) -> int:
        now = time.time_ns() // 1000
        with self._lock:
            self._last_us = max(self._last_us, now)
            return self._last_us
