"""What `registry.testing.fuzz` starts: one process that feeds Atheris' inputs to the parsers.

python -m registry.testing.fuzz_target SECONDS CORPUS ROLE...
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["registry.formats"]):
    from registry.formats.inspect import FORESEEN, inspect
    from registry.formats.source import BytesSource

from registry.testing.fuzz import LENGTH_MAX


def fuzz(roles: list[str], seconds: int, corpus: str) -> None:
    """Of several roles, an input's first byte says which is meant."""

    def try_one(data: bytes) -> None:
        number = 0
        if len(roles) > 1:
            number, data = data[0] if data else 0, data[1:]
        found = inspect(BytesSource(data), roles[number % len(roles)], {})
        assert not any(note.rule is FORESEEN for note in found.book.notes), found.book.notes

    options = [
        f"-max_total_time={seconds}",
        "-timeout=10",
        "-rss_limit_mb=1024",
        f"-max_len={LENGTH_MAX}",
    ]
    atheris.Setup([sys.argv[0], *options, corpus], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv[3:], int(sys.argv[1]), sys.argv[2])
