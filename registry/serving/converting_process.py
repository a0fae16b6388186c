"""The jail of conversion from outside: what it is asked, and what is taken of its word."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from registry.jail.handing import open_file
from registry.jail.hearing import line_of
from registry.jail.process import JailError, Limits, Process, SetupError

_SHOWN_MAX = 200
_FULL = (errno.ENOSPC, errno.EDQUOT)


class ConversionError(Exception):
    """Nothing was converted; the text says what was found, what was expected, and what to do."""


class ProblemError(Exception):
    """One file cannot be converted; the text says why. Others are looked at all the same."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    dtype: str
    shape: tuple[int, ...]


class Prisoner:
    """One process, asked about one file after the other."""

    def __init__(self, limits: Limits, *, onnx: bool) -> None:
        self._limits = limits
        self._process = Process("registry.serving.converting_jailed", limits, {"onnx": onnx})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.end()

    def start(self) -> None:
        """Have it ready, so that a missing jail is told before anything is made: NoJailError.
        ConversionError where the onnx library is not installed."""
        try:
            self._process.start()
        except SetupError as error:
            raise ConversionError(
                f"{error}. Install it: pip install 'hallmark-registry[convert]'"
            ) from error

    def read(
        self,
        path: Path,
        *,
        role: str,
        formats: tuple[str, ...],
        files: Mapping[str, int],
        again: bool,
    ) -> Mapping[str, Any]:
        """What the file holds; of another format than these nothing but that. `again`: its strict
        parser looks at it as at any, but bytes that it only has to hash are not read."""
        request = {
            "do": "read",
            "role": role,
            "formats": formats,
            "files": dict(files),
            "again": again,
        }
        return self._ask_of(request, path)

    def index(self, path: Path) -> Mapping[str, str]:
        said = self._ask_of({"do": "index"}, path)["weight_map"]
        return {str(name): str(file) for name, file in said.items()}

    def beside(self, location: str, path: Path) -> None:
        self._ask_of({"do": "beside", "location": location}, path)

    def write(self, outputs: Mapping[str, Path], *, location: str = "") -> Iterator[int]:
        """Write what was read as something else; yields how many bytes were done. `outputs` are
        made, and must not be there."""
        for what, path in outputs.items():
            try:
                descriptor = _made(path)
            except OSError as error:
                raise _hindered(f"{path}: {error.strerror}", error.errno) from error
            try:
                self._ask({"do": "to", "what": what}, [descriptor])
            finally:
                os.close(descriptor)
        self._ask({"do": "write", "location": location})
        yield from self._go_on()

    def digest(self, result: dict[str, Any]) -> Iterator[int]:
        """Read each tensor's bytes anew; fills `result` with what is to be compared."""
        self._ask({"do": "digest"})
        yield from self._go_on(result)

    def _go_on(self, result: dict[str, Any] | None = None) -> Iterator[int]:
        while True:
            said = self._ask({"do": "more"})
            yield int(said["done"])
            if said["is_over"]:
                if result is not None:
                    result.update(said["result"])
                return

    def _ask_of(self, request: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
        try:
            descriptor = open_file(path)
        except OSError as error:
            raise ProblemError(f"it cannot be opened: {error.strerror}") from error
        try:
            return self._ask(request, [descriptor], size_bytes=os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)

    def _ask(
        self,
        request: Mapping[str, Any],
        descriptors: tuple[int, ...] | list[int] = (),
        *,
        size_bytes: int = 0,
    ) -> Mapping[str, Any]:
        """ProblemError where the file is none to convert; ConversionError where the disk is full,
        or there is no answer, as of what was under way nothing is left then."""
        self.start()
        try:
            said = self._process.ask(request, descriptors, self._limits.patience_s(size_bytes))
        except JailError as error:
            raise ConversionError(
                f"the process that converts failed: {error}. If the file is sound, report it."
            ) from error
        if "cannot" in said:
            raise ProblemError(line_of(said["cannot"]))
        if "hindered" in said:
            raise _hindered(line_of(said["hindered"]), said.get("errno"))
        return said


def shapes_of(said: Mapping[str, Any]) -> Mapping[str, Shape]:
    """Tensors by name, as the jail told them."""
    return {
        str(name): Shape(dtype=str(dtype), shape=tuple(map(int, shape)))
        for name, dtype, shape in said["tensors"]
    }


def shown(name: object) -> str:
    return line_of(str(name)[:_SHOWN_MAX])


def differs(path: str, what: str) -> ConversionError:
    """What no conversion may end with."""
    return ConversionError(
        f"{path}: what was written is not the same: {what}. Nothing was kept; this is a bug in "
        "hallmark, or the disk's. Please report it."
    )


def _hindered(text: str, number: object) -> Exception:
    if number in _FULL:
        return ConversionError(
            "the disk is full (or its quota is). Make room, or name a folder on another disk: "
            "--out for local files, the environment's TMPDIR for versions."
        )
    return ProblemError(f"it cannot be read or written: {text}")


def _made(path: Path) -> int:
    """A new file, open to be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o666)
