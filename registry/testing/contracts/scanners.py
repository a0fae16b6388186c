"""What every scanner has to do. Subclass, and give the fixture `case`."""

from __future__ import annotations

import io
from dataclasses import dataclass

from registry.formats.source import BytesSource
from registry.ports.scanners import Outcome, Scanner
from registry.vetting.scanners.files import as_file

#: Nobody ever loads it.
MALICIOUS = b"\x80\x02cos\nsystem\nX\x02\0\0\0id\x85R."
SOUND = b"\x80\x02}X\x01\0\0\0aK\x01s."


@dataclass(frozen=True, kw_only=True)
class Case:
    scanner: Scanner
    malicious: bytes = MALICIOUS
    sound: bytes = SOUND
    role: str = "pickle"


class ScannerContract:
    def test_it_tells_bad_from_sound(self, case: Case) -> None:
        """In any order, each file by itself, wherever its reader stood before."""
        for data, outcome in (
            (case.sound, Outcome.CLEAN),
            (case.malicious, Outcome.MALICIOUS),
            (case.sound, Outcome.CLEAN),
        ):
            file = io.BytesIO(data)
            file.seek(3)
            assert case.scanner.scan(file, case.role).outcome is outcome

    def test_it_reads_what_parsers_read(self, case: Case) -> None:
        file = as_file(BytesSource(case.malicious))
        assert case.scanner.scan(file, case.role).outcome is Outcome.MALICIOUS

    def test_it_is_known_by_its_digest(self, case: Case) -> None:
        """The same as long as nothing changes."""
        assert len(case.scanner.digest) == 64
        assert case.scanner.digest == case.scanner.digest
        assert case.scanner.name
        assert case.scanner.covers(case.role)
