"""YARA-X with rules of the operator's, in the jail. Rules are compiled before it is locked in.

A rule that is tagged `suspicious` makes a file suspicious, any other malicious. Files are scanned
in windows, so rules must not rely on `filesize`, on offsets, or on strings far apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import BinaryIO

import yara_x

from registry.ports.scanners import Outcome, ScanAnswer
from registry.vetting.scanners.digests import YARA, digest_of_yara

WINDOW_BYTES = 64 * 1024 * 1024
#: Of two windows, so that what lies across their border is found.
OVERLAP_BYTES = 1024 * 1024
_SUSPICIOUS = "suspicious"
#: How the compiler says where an error is.
_PLACE = re.compile(r"^\s*--> (.+:\d+):\d+$", re.M)


class Yara:
    name = YARA

    def __init__(self, rules: Mapping[str, str]) -> None:
        """Rules by the name of their file. ValueError, with file and line, for what does not
        compile."""
        # What rules include would be missing from the digest.
        compiler = yara_x.Compiler(includes_enabled=False)
        for name, text in sorted(rules.items()):
            try:
                compiler.add_source(text, name)
            except yara_x.CompileError as error:
                raise ValueError(_told(name, str(error))) from error
        self._scanner = yara_x.Scanner(compiler.build())
        self._scanner.scan(b"")
        self.digest = digest_of_yara(rules)

    def covers(self, role: str) -> bool:
        return True

    def scan(self, file: BinaryIO, role: str) -> ScanAnswer:
        file.seek(0)
        found: dict[str, bool] = {}
        window = file.read(WINDOW_BYTES)
        while window:
            for rule in self._scanner.scan(window).matching_rules:
                found[rule.identifier] = _SUSPICIOUS in rule.tags
            more = file.read(WINDOW_BYTES - OVERLAP_BYTES)
            window = window[-OVERLAP_BYTES:] + more if more else b""
        if not found:
            return ScanAnswer(outcome=Outcome.CLEAN)
        is_malicious = not all(found.values())
        return ScanAnswer(
            outcome=Outcome.MALICIOUS if is_malicious else Outcome.SUSPICIOUS,
            message=", ".join(sorted(found)),
        )


def _told(name: str, error: str) -> str:
    """In one line, where the compiler draws a picture of several."""
    place = _PLACE.search(error)
    return f"{place[1] if place else name}: {error.partition(chr(10))[0]}"
