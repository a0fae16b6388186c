"""Other people's scanners: second opinions on what the strict parsers have judged already.

A scanner only makes a verdict worse. What its answer does to a file is read by
`registry/vetting/scanners/opinions.py`, the same for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO, Protocol


class Outcome(Enum):
    MALICIOUS = "malicious"
    SUSPICIOUS = "suspicious"
    #: It found nothing. That says nothing.
    CLEAN = "clean"
    #: It could not tell.
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, kw_only=True)
class ScanAnswer:
    outcome: Outcome
    #: The names that it is suspicious of, such as `torch._utils._rebuild_tensor_v2`.
    names: frozenset[str] = frozenset()
    #: Whether these names are its only reason not to say clean.
    is_names_only: bool = False
    #: What it found, in its own words. They may quote the file.
    message: str = ""


class Scanner(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str:
        """Of the engine and all rules. Answers under another one are stale. ScannerError where
        it cannot be had."""

    def covers(self, role: str) -> bool:
        """Whether it is worth asking about files of this role."""

    def scan(self, file: BinaryIO, role: str) -> ScanAnswer:
        """Look at a file, which can be read and sought, from its start.

        It may raise anything: whoever asks takes that for no answer.
        """


class ScannerError(Exception):
    """The scanner cannot be reached, or does not answer in the way that it should."""
