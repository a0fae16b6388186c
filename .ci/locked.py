"""Print the part of requirements.lock that the core and the named extras need.

Usage: locked.py [extra ...]

One universal lock serves every extra, and installing all of it to run a server would cost
700 MB. The lock tells under each package which packages asked for it ("via"), so a part can be
cut out with its hashes; pip refuses to install anything that the part leaves out.
"""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass
class Pin:
    """One block of the lock; a name has several when its version depends on a marker."""

    name: str
    lines: list[str] = field(default_factory=list)
    wanted_by: set[str] = field(default_factory=set)


def normalised(requirement: str) -> str:
    """The name of a requirement as package indexes compare it."""
    match = REQUIREMENT_NAME.match(requirement)
    if match is None:
        raise SystemExit(f"no distribution name in {requirement!r}")
    return re.sub(r"[-_.]+", "-", match.group()).lower()


def pins(lock: str) -> list[Pin]:
    """The blocks of a lock, in its order."""
    found: list[Pin] = []
    for line in lock.splitlines():
        if REQUIREMENT_NAME.match(line):
            found.append(Pin(normalised(line)))
        if not found:
            continue
        if line.lstrip().startswith("#"):
            asked_by = line.strip().removeprefix("#").strip().removeprefix("via").strip()
            if asked_by:
                found[-1].wanted_by.add(normalised(asked_by))
        else:
            found[-1].lines.append(line)
    return found


def roots(extras: list[str]) -> set[str]:
    """The names that pyproject.toml asks for directly: core, build backend and the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    optional = project["project"]["optional-dependencies"]
    unknown = sorted(set(extras) - set(optional))
    if unknown:
        raise SystemExit(f"unknown extras {unknown}; pyproject.toml has {sorted(optional)}")
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["build"]
    wanted = wanted + [line for extra in extras for line in optional[extra]]
    return {normalised(line) for line in wanted}


def closure(start: set[str], locked: list[Pin]) -> set[str]:
    """Everything that `start` needs, itself included."""
    missing = start - {pin.name for pin in locked}
    if missing:
        raise SystemExit(f"requirements.lock lacks {sorted(missing)}; run `make lock`")
    chosen = set(start)
    while True:
        more = {pin.name for pin in locked if pin.wanted_by & chosen} - chosen
        if not more:
            return chosen
        chosen |= more


def main(extras: list[str]) -> None:
    locked = pins((ROOT / "requirements.lock").read_text())
    chosen = closure(roots(extras), locked)
    for pin in locked:
        if pin.name in chosen:
            print("\n".join(pin.lines))


if __name__ == "__main__":
    main(sys.argv[1:])
