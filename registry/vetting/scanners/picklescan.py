"""picklescan, in the jail: it denies by list. Names that it does not know make it suspicious.

What does not work there: 7z, which it unpacks to disk; that is an error, hence unknown, and such a
file fails anyway.
"""

from __future__ import annotations

from typing import BinaryIO

from picklescan import scanner

from registry.ports.scanners import Outcome, ScanAnswer
from registry.vetting.scanners.digests import PICKLESCAN, digest_of_package
from registry.vetting.scanners.roles import PICKLED


class Picklescan:
    name = PICKLESCAN

    def __init__(self) -> None:
        self.digest = digest_of_package(PICKLESCAN)

    def covers(self, role: str) -> bool:
        return role in PICKLED

    def scan(self, file: BinaryIO, role: str) -> ScanAnswer:
        file.seek(0)
        ending = ".pt" if role == "torch-pickle" else None
        found = scanner.scan_bytes(file, "file", ending)
        levels = {each: set[str]() for each in scanner.SafetyLevel}
        for each in found.globals:
            levels[each.safety].add(f"{each.module}.{each.name}")
        dangerous = levels[scanner.SafetyLevel.Dangerous]
        if found.issues_count or dangerous:
            return ScanAnswer(outcome=Outcome.MALICIOUS, message=", ".join(sorted(dangerous)))
        names = frozenset(levels[scanner.SafetyLevel.Suspicious])
        if found.scan_err:
            return ScanAnswer(
                outcome=Outcome.INCONCLUSIVE, names=names, message="it cannot be parsed"
            )
        if names or found.suspicious_count:
            return ScanAnswer(
                outcome=Outcome.SUSPICIOUS,
                names=names,
                is_names_only=bool(names),
                message=", ".join(sorted(names)),
            )
        return ScanAnswer(outcome=Outcome.CLEAN)
