"""What judges files, known by one digest: results and verdicts under another one are stale.

The code is the rules. So the digest is made of the source of all that looks at files, and no mended
parser can be forgotten; of the libraries that decide there; and of each scanner with its rules.
Nothing of all that is imported here, since servers ask for it and look at no file themselves.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from registry.ports.scanners import ScannerError
from registry.vetting.scanners.clamav import ClamAV

#: Folders and files of this package whose code decides.
_CODE = ("formats", "vetting", "domain/file_formats.py")
#: Libraries that decide what passes, beside the scanners.
_LIBRARIES = ("jinja2", "picklescan", "modelaudit-picklescan", "yara-x")
_UNREACHABLE = "unreachable"


@dataclass(frozen=True, kw_only=True)
class Tools:
    #: Text of YARA rules by the name of their file; empty: YARA is not used.
    yara_rules: Mapping[str, str] = field(default_factory=dict)
    #: Path of the socket of ClamAV's daemon; empty: it is not asked.
    clamav_socket: str = ""

    def digest(self) -> str:
        """ "sha256:..." of all of it. ClamAV is asked for its version each time: its signatures
        change while it runs, and while it cannot be reached no file is known to it."""
        found = hashlib.sha256(_of_code())
        for name, text in sorted(self.yara_rules.items()):
            for part in (name, text):
                found.update(hashlib.sha256(part.encode()).digest())
        found.update(self._of_clamav().encode())
        return f"sha256:{found.hexdigest()}"

    def _of_clamav(self) -> str:
        if not self.clamav_socket:
            return ""
        try:
            return ClamAV(self.clamav_socket, timeout_s=5.0).digest
        except ScannerError:
            return _UNREACHABLE


@cache
def _of_code() -> bytes:
    found = hashlib.sha256(f"python {sys.version_info.major}.{sys.version_info.minor}\n".encode())
    for name in _LIBRARIES:
        found.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    top = resources.files("registry")
    for part in _CODE:
        _add(found, part, top.joinpath(*part.split("/")))
    return found.digest()


def _add(found: hashlib._Hash, name: str, part: Traversable) -> None:
    if part.is_dir():
        for each in sorted(part.iterdir(), key=lambda one: one.name):
            _add(found, f"{name}/{each.name}", each)
    elif name.endswith(".py"):
        source = part.read_bytes()
        found.update(f"{name} {hashlib.sha256(source).hexdigest()}\n".encode())
