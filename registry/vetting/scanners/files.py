"""What scanners read: a parser's source as a file, and pickles out of zips."""

from __future__ import annotations

import encodings.cp437  # noqa: F401 - zipfile looks it up when it opens one, and nothing can be opened in the jail
import io
import pickletools
import zipfile
from collections.abc import Iterator
from typing import BinaryIO, cast

from registry.formats.kinds import content_of
from registry.formats.source import READ_BYTES_MAX, Source

#: One pickle of a zip is read whole.
PICKLE_BYTES_MAX = READ_BYTES_MAX
_IN_A_ROW_MAX = 5


class _SourceFile(io.RawIOBase):
    def __init__(self, source: Source) -> None:
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size_bytes}
        at = start[whence] + offset
        if at < 0:
            raise OSError("sought before the start")
        self._at = at
        return at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        data = self._source.read(self._at, min(len(view), READ_BYTES_MAX))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def as_file(source: Source) -> BinaryIO:
    """Opens nothing, so it works in the jail."""
    return io.BufferedReader(_SourceFile(source))


def scanned_role(source: Source, role: str) -> str:
    """What scanners are told a file is: under a name such as `x.bin`, which says nothing, what
    looks like one of torch's files is one, and so is an archive that is called a pickle. Bytes
    without a format under such names are not asked about."""
    if role not in ("bin", "pickle"):
        return role
    content = content_of(source)
    is_torch = content == "zip" or (role == "bin" and content == "pickle")
    return "torch-pickle" if is_torch else role


def pickles(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """The pickles of a torch or other zip by their names, or the file itself. ValueError for one
    that is too long."""
    file.seek(0)
    is_zip = file.read(4) == b"PK\x03\x04"
    file.seek(0)
    if not is_zip:
        yield from _in_a_row(file)
        return
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if info.filename.endswith((".pkl", ".pickle", ".joblib")):
                with archive.open(info) as member:
                    yield info.filename, _whole(cast("BinaryIO", member))


def _in_a_row(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Pickles from the start: torch's older files are of five, with raw storages behind them that
    are no matter of ours, however long. If the first cannot be told, all bytes; if a further one
    can't, no more."""
    at = 0
    for number in range(_IN_A_ROW_MAX):
        file.seek(at)
        try:
            for _ in pickletools.genops(file):
                pass
        except Exception:  # noqa: BLE001 - it raises whatever its parts do
            if number == 0:
                file.seek(0)
                yield "", _whole(file)
            return
        end = file.tell()
        file.seek(at)
        if end - at > PICKLE_BYTES_MAX:
            raise ValueError(f"a pickle of more than {PICKLE_BYTES_MAX} bytes")
        data = file.read(end - at)
        is_last = not file.read(1)
        yield str(number), data
        if is_last:
            return
        at = end


def _whole(file: BinaryIO) -> bytes:
    data = file.read(PICKLE_BYTES_MAX + 1)
    if len(data) > PICKLE_BYTES_MAX:
        raise ValueError(f"a pickle of more than {PICKLE_BYTES_MAX} bytes")
    return data
