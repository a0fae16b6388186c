"""Rules of YARA from a folder, tried before anybody relies on them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_COMPILE_S = 120.0
_SELF = (sys.executable, "-P", "-m", "registry.vetting.yara_rules")


def read_rules(folder: Path) -> Mapping[str, str]:
    """The text of each rule file by its name. ValueError where there is none, where one cannot be
    read or where they do not compile.

    They are compiled by a process apart: the engine takes 20 MB, and it is not asked here.
    """
    try:
        rules = {path.name: path.read_text() for path in sorted(folder.glob("*.yar"))}
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"they cannot be read: {error}") from error
    if not rules:
        raise ValueError("found no file *.yar")
    try:
        done = subprocess.run(
            _SELF,
            input=json.dumps(rules).encode(),
            capture_output=True,
            timeout=_COMPILE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"they do not compile within {_COMPILE_S:.0f} s") from error
    if done.returncode:
        raise ValueError(done.stderr.decode(errors="replace").strip() or "they do not compile")
    return rules


def main() -> int:
    from registry.vetting.scanners.yara import Yara

    try:
        Yara(json.load(sys.stdin))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
