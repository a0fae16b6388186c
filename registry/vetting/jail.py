"""The jail of vetting: a process that is started for one version, and asked about its files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from registry.jail.process import Limits, Process, SetupError


class RulesError(Exception):
    """The operator's YARA rules do not compile; the text says which file and line."""


class Jail:
    """One process for files of one version, one file at a time. `yara_rules` are texts by the name
    of their file. Without `pickles` it starts in a third of the time, and tells of no file that
    scanners of pickles are asked about."""

    def __init__(
        self,
        limits: Limits,
        yara_rules: Mapping[str, str] | None = None,
        *,
        pickles: bool = True,
    ) -> None:
        self._limits = limits
        setup = {"yara_rules": dict(yara_rules or {}), "pickles": pickles}
        self._process = Process("registry.vetting.jailed", limits, setup)
        #: What the process was told last.
        self._files_sent: Mapping[str, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    @property
    def pid(self) -> int | None:
        """Of the process that would look at the next file; None before the first."""
        return self._process.pid

    def look(self, descriptor: int, *, role: str, files: Mapping[str, int]) -> Mapping[str, Any]:
        """The jail's word on one open file: see `registry/vetting/jailed.py`. `files` must stay as
        they are as long as they are given. JailError where there is no word; the next file gets a
        new process then. NoJailError where there is no jail, and RulesError where the rules cannot
        be used."""
        self.start()
        # A version may have 100,000 files: their list goes over once, not once for each of them.
        is_known = files is self._files_sent
        self._files_sent = files
        request = {"role": role, "files": None if is_known else dict(files)}
        size_bytes = os.fstat(descriptor).st_size
        return self._process.ask(request, [descriptor], self._limits.patience_s(size_bytes))

    def end(self) -> None:
        """Kill it. Repeats safely."""
        self._process.end()

    def start(self) -> None:
        """Have it ready for the first file; what a look does by itself. NoJailError, RulesError."""
        if self._process.pid is not None:
            return
        self._files_sent = None
        try:
            self._process.start()
        except SetupError as error:
            raise RulesError(str(error)) from error
