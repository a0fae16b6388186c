"""All that decides what a file is, under one digest: our code, its libraries, others' scanners.

Results made under another digest are stale. Nothing here imports a parser or a scanner: the server
asks for the digest, and keeps both out of its own process.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from registry.ports.scanners import ScannerError
from registry.vetting.scanners.clamav import ClamAV
from registry.vetting.scanners.digests import (
    MODELAUDIT,
    PICKLESCAN,
    YARA,
    digest_of_package,
    digest_of_yara,
)

#: The code is the rules: below the package's folder, what parsers and scanners are made of, and
#: what of the floors below them says yes or no to a file.
SOURCES = (
    "formats/**/*.py",
    "jail/**/*.py",
    "vetting/**/*.py",
    "domain/canonical.py",
    "domain/file_formats.py",
    "names/paths.py",
    "names/text.py",
    "ports/scanners.py",
)
#: Whose parsers ours build on; what they take for a template, YAML or a frame changes with their
#: version.
LIBRARIES = ("jinja2", "lz4", "pyyaml")
#: In place of a version, so that the digest changes when clamd goes and when it comes back.
UNREACHABLE = "unreachable"
#: Asking for a version is quick, or clamd is as good as gone.
_VERSION_S = 5.0
_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the operator adds to the parsers and scanners that are always there."""

    #: Texts of YARA rules by the name of their file; none: not used.
    yara_rules: Mapping[str, str] = field(default_factory=dict)
    #: Path of clamd's unix socket; empty: not used.
    clamav_socket: str = ""

    def digest(self) -> str:
        """`sha256:...` of all that decides. It asks clamd, so it may change from call to call."""
        parts = [_own_digest(), *(f"{name} {told}" for name, told in self._digests().items())]
        return f"sha256:{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()}"

    def names(self) -> Mapping[str, str]:
        """Each scanner that is asked and its version, in words for people."""
        named = {
            name: importlib.metadata.version(name)
            for name in (PICKLESCAN, MODELAUDIT, *([YARA] if self.yara_rules else []))
        }
        if self.yara_rules:
            count = len(self.yara_rules)
            named[YARA] += f" with {count} {'file' if count == 1 else 'files'} of rules"
        if clamav := self._clamav():
            named[clamav.name] = _version_of(clamav)
        return named

    def _digests(self) -> Mapping[str, str]:
        digests = {name: digest_of_package(name) for name in (PICKLESCAN, MODELAUDIT)}
        if self.yara_rules:
            digests[YARA] = digest_of_yara(self.yara_rules)
        if clamav := self._clamav():
            digests[clamav.name] = _version_of(clamav)
        return digests

    def _clamav(self) -> ClamAV | None:
        return ClamAV(self.clamav_socket, timeout_s=_VERSION_S) if self.clamav_socket else None


def digest_of_sources(package: Path) -> str:
    """Of the bytes of SOURCES below the package's folder, by their names there."""
    found = {path for pattern in SOURCES for path in package.glob(pattern)}
    named = {path.relative_to(package).as_posix(): path for path in found}
    digest = hashlib.sha256()
    for name, path in sorted(named.items()):
        for part in (name.encode(), path.read_bytes()):
            digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


@cache
def _own_digest() -> str:
    """What cannot change while the process runs: its code, as it was read first, and libraries."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    python = f"python {sys.version_info.major}.{sys.version_info.minor}"
    return "\n".join((digest_of_sources(_PACKAGE), python, *versions))


def _version_of(clamav: ClamAV) -> str:
    try:
        return clamav.version
    except ScannerError:
        return UNREACHABLE
