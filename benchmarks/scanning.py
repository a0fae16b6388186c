"""One look at one file, by one side, in a process of its own.

    python -m benchmarks.scanning SIDE PATH

SIDE is `hallmark`, `sha256` or a scanner. The answer is a line of JSON: what the side says of the
file, `seconds` from the call until then, `cpu_s` and `peak_mb` of all its processes, `read_bytes`
that it asked the system for. What a side imports is imported before, so `seconds` has none of it;
Hallmark's have the start of its jail.

Scanners run in an environment without Hallmark, and with nothing of it on their path, so this file
needs the standard library alone, and is started by its path.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

#: Looks at a file and says what it found.
Scan = Callable[[Path], str]

CLEAN = "clean"
#: No answers.
SKIPS = "skips it"
INCOMPLETE = "incomplete"
ERROR = "error"


def hallmark() -> Scan:
    """All of vetting, as the inspector of servers has it: in the jail, of one version's files."""
    judging: Any = importlib.import_module("registry.vetting.judging")
    jail: Any = importlib.import_module("registry.jail.process")
    tools: Any = importlib.import_module("registry.vetting.tools")

    def scan(path: Path) -> str:
        sizes = {path.name: path.stat().st_size}

        def opened(_: str) -> int:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

        (file,) = judging.judge(sizes, opened, jail.Limits(), tools.Tools())
        passes = file.verdict.value == "pass" and file.sha256
        said = [f"{each.rule} {each.message}" for each in file.findings]
        return f"pass {file.sha256[:8]}" if passes else f"{file.verdict.value}: {', '.join(said)}"

    return scan


def sha256() -> Scan:
    hashlib: Any = importlib.import_module("hashlib")

    def scan(path: Path) -> str:
        with path.open("rb") as file:
            digest: str = hashlib.file_digest(file, "sha256").hexdigest()
        return digest[:8]

    return scan


def picklescan() -> Scan:
    """As its command looks at a path."""
    scanner: Any = importlib.import_module("picklescan.scanner")

    def scan(path: Path) -> str:
        found = scanner.scan_file_path(str(path))
        if found.scan_err:
            return ERROR
        if found.infected_files:
            return "dangerous"
        if not found.scanned_files:
            return SKIPS
        return "suspicious" if found.suspicious_count else CLEAN

    return scan


def modelscan() -> Scan:
    scanner: Any = importlib.import_module("modelscan.modelscan").ModelScan()

    def scan(path: Path) -> str:
        found = scanner.scan(path)
        if found["errors"]:
            return ERROR
        if issues := found["summary"]["total_issues"]:
            return f"{issues} issues"
        return CLEAN if found["summary"]["scanned"]["total_scanned"] else SKIPS

    return scan


def modelaudit() -> Scan:
    core: Any = importlib.import_module("modelaudit.core")

    def scan(path: Path) -> str:
        # What it remembers of a file would be measured from the second round on.
        found = core.scan_model_directory_or_file(str(path), cache_enabled=False)
        if not found.files_scanned:
            return SKIPS
        # As its command ends: 0, 1 for findings, 2 where it looked at parts alone or failed.
        ended = {0: CLEAN, 1: f"{len(found.issues)} issues"}
        return ended.get(core.determine_exit_code(found), INCOMPLETE)

    return scan


SIDES: dict[str, Callable[[], Scan]] = {
    each.__name__: each for each in (hallmark, sha256, picklescan, modelscan, modelaudit)
}


def main(side: str, path: Path, sides: Mapping[str, Callable[[], Scan]] = SIDES) -> None:
    sys.addaudithook(_offline)
    # Whatever a side writes on the way is no part of the answer.
    answer_to = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    scan = sides[side]()
    read_bytes, cpu_s = _read_bytes(), _cpu_s()
    start = time.perf_counter()
    try:
        said = scan(path)
    except Exception as error:  # noqa: BLE001 - a scanner raises whatever it does; that is told
        said = f"{ERROR}: {type(error).__name__}"
    answer = {
        "said": said,
        "seconds": time.perf_counter() - start,
        "cpu_s": _cpu_s() - cpu_s,
        "peak_mb": _peak_mb(),
        "read_bytes": _read_bytes() - read_bytes,
    }
    with open(answer_to, "w") as out:
        out.write(json.dumps(answer))


def _offline(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: no side asks anybody but this machine."""
    is_elsewhere = event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple)
    if is_elsewhere or event == "socket.getaddrinfo":
        raise OSError(f"{event}: vetting is measured without a network")


def _cpu_s() -> float:
    """Of this process and those that it started and that have ended."""
    return sum(os.times()[:4])


def _peak_mb() -> float:
    """Of this process and the largest of those that it started and that have ended, if any."""
    status = Path("/proc/self/status").read_text()
    own_kb = next(int(line.split()[1]) for line in status.splitlines() if line[:6] == "VmHWM:")
    # Not so for this process itself: what a process has at most is said to be at least what the
    # one had that started it.
    return (own_kb + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def _read_bytes() -> int:
    """By this process and those that it started and that have ended; what is mapped isn't read."""
    said = Path("/proc/self/io").read_text()
    return next(int(line.split()[1]) for line in said.splitlines() if line[:6] == "rchar:")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
