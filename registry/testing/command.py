"""The command line, run in the test's own process: as fast as a call, with its real exit code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

from registry.cli.run import run


class Captured(Protocol):
    """What pytest's capsys hands out."""

    @property
    def out(self) -> str: ...
    @property
    def err(self) -> str: ...


class Capture(Protocol):
    """Pytest's capsys."""

    def readouterr(self) -> Captured: ...


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class CommandLine:
    """Runs hallmark with the words of a call."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def __call__(self, *words: str) -> Done:
        self._capture.readouterr()
        try:
            run(words)
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = self._capture.readouterr()
        return Done(code=code, out=captured.out, err=captured.err)
