"""What each scanner in the jail is known by, told without importing it.

The adapters have these digests, and so has whoever asks under which tools a result was made, the
server for one: it must agree with them and have no scanner in its own process.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Mapping
from functools import cache

PICKLESCAN = "picklescan"
MODELAUDIT = "modelaudit-picklescan"
YARA = "yara-x"


@cache
def digest_of_package(name: str) -> str:
    """Of its version and of what its installer says of its files."""
    package = importlib.metadata.distribution(name)
    record = package.read_text("RECORD") or ""
    return hashlib.sha256(f"{name} {package.version}\n{record}".encode()).hexdigest()


def digest_of_yara(rules: Mapping[str, str]) -> str:
    """Of the engine and of the rules, by the name of their file."""
    digest = hashlib.sha256(digest_of_package(YARA).encode())
    for name, text in sorted(rules.items()):
        for part in (name, text):
            digest.update(hashlib.sha256(part.encode()).digest())
    return digest.hexdigest()
