"""All comparisons in one run.

python -m benchmarks [part ...] [--rounds 3] [--seconds 5]
python -m benchmarks audit [--events 100000]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import access, audit, files, footprint, metadata, policy
from benchmarks.report import Bound, Row, table

Part = Callable[..., Iterator[Row | Bound]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parts: dict[str, Part] = {
        "sqlite": partial(metadata.measure, "sqlite"),
        "postgresql": partial(metadata.measure, "postgresql"),
        "files": files.measure,
        "footprint": footprint.measure,
        "access": access.measure,
        "policy": policy.measure,
    }
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(parts)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    if sys.argv[1:2] == ["audit"]:
        # Figures of our own, beside nobody's.
        sys.argv[1:2] = []
        audit.main()
        return
    given = parser.parse_args()
    unknown = set(given.parts) - parts.keys()
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    rows: list[Row | Bound] = []
    for name in given.parts or parts:
        for row in parts[name](rounds=given.rounds, seconds=given.seconds):
            rows.append(row)
            print(table([row]), flush=True)
    print(f"\n{os.cpu_count()} cores, median (range) of {given.rounds} rounds in turns\n")
    print(table(rows))


if __name__ == "__main__":
    main()
