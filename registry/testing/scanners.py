"""A scanner in memory: it finds what it was told to look for."""

from __future__ import annotations

from typing import BinaryIO

from registry.ports.scanners import Outcome, ScanAnswer


class MemoryScanner:
    name = "memory"

    def __init__(self, malicious: bytes) -> None:
        self.digest = "0" * 64
        self._malicious = malicious
        #: Given in place of what it finds; an error is raised.
        self.answer: ScanAnswer | Exception | None = None

    def covers(self, role: str) -> bool:
        return True

    def scan(self, file: BinaryIO, role: str) -> ScanAnswer:
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        file.seek(0)
        is_bad = self._malicious in file.read()
        return ScanAnswer(outcome=Outcome.MALICIOUS if is_bad else Outcome.CLEAN, message="found")
