"""picklescan, in the jail: it denies by list. Names that it does not know make it suspicious.

What does not work there: 7z, which it unpacks to disk; that is an error, hence unknown, and such a
file fails anyway. Arrays in archives it would read with numpy, which a server need not have:
`_scan_array` takes the place of that.
"""

from __future__ import annotations

import io
from typing import IO, BinaryIO

from picklescan import scanner

from registry.ports.scanners import Outcome, ScanAnswer
from registry.vetting.scanners.digests import PICKLESCAN, digest_of_package
from registry.vetting.scanners.roles import PICKLED

#: Of an array in its file: magic, version, and the header's length in two bytes or four.
_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {b"\x01\0": 2, b"\x02\0": 4, b"\x03\0": 4}
_HEADER_BYTES_MAX = 1_000_000


def _scan_array(data: IO[bytes], file_id: str, strict: bool = False) -> scanner.ScanResult:
    """As `scanner.scan_numpy`: a pickle stands behind the header where its type has objects."""
    head = data.read(len(_MAGIC) + 2)
    if not head.startswith(_MAGIC):
        return scanner.scan_pickle_bytes(io.BytesIO(head + data.read()), file_id, strict=strict)
    size = _LENGTH_BYTES.get(head[len(_MAGIC) :], 0)
    length = int.from_bytes(data.read(size), "little")
    header = data.read(length) if length <= _HEADER_BYTES_MAX else b""
    if len(header) < length or length == 0:
        return scanner.ScanResult([], scanned_files=1, scan_err=True)
    # Also in a name, where it makes no harm: what follows is then looked at for nothing.
    if b"O" in header or b"object" in header:
        return scanner.scan_pickle_bytes(data, file_id, strict=strict)
    return scanner.ScanResult([], scanned_files=1)


scanner.scan_numpy = _scan_array


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
