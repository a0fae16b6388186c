"""Fuzzing of the strict parsers with Atheris: whatever the bytes, a verdict, and no crash.

    python -m registry.testing.fuzz ROLE SECONDS [CORPUS]

Starts from the test vectors of that role; with `all`, from those of all roles, and the first byte
of an input says which is meant. Ends with status 0 when time is up; a crash, a finding of
`FILE-5` and an input that takes more than ten seconds or a gigabyte end it with another, and the
input is kept in the working folder.
"""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

import registry.testing.vectors as package
from registry.domain.file_formats import role_of
from registry.formats.inspect import PARSERS
from registry.testing.vectors import Vector

ALL = "all"
#: Of inputs, in bytes; larger vectors are no start.
LENGTH_MAX = 65_536


def all_vectors() -> list[Vector]:
    modules = (module.name for module in pkgutil.iter_modules(package.__path__))
    found = (importlib.import_module(f"{package.__name__}.{name}").VECTORS for name in modules)
    return [vector for vectors in found for vector in vectors]


def main(role: str, seconds: int, corpus: Path) -> int:
    """The exit status. Fuzzing has a process of its own: Linux counts the memory of a program's
    parent, at the moment of its start, among what the program took, and the vectors are large."""
    roles = sorted({known for known, _ in PARSERS}) if role == ALL else [role]
    for number, vector in enumerate(all_vectors()):
        if (its_own := role_of(vector.path)) in roles and len(vector.data) < LENGTH_MAX:
            start = bytes((roles.index(its_own),)) if len(roles) > 1 else b""
            (corpus / f"{number}-{vector.name}").write_bytes(start + vector.data)
    program = [sys.executable, "-m", "registry.testing.fuzz_target"]
    return subprocess.run([*program, str(seconds), str(corpus), *roles], check=False).returncode


if __name__ == "__main__":
    if len(sys.argv) > 3:
        sys.exit(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(main(sys.argv[1], int(sys.argv[2]), Path(folder)))
