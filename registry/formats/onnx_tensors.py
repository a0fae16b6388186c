"""Tensors of ONNX files: as many bytes as they say, here or in a file beside the model.

Sources: onnx.proto (TensorProto), https://github.com/onnx/onnx/blob/main/docs/ExternalData.md.
External data lets a model name files of whoever loads it: CVE-2022-25882, CVE-2024-27318,
CVE-2026-27489, CVE-2026-34446, CVE-2026-34447. So a name is a plain path below the model's folder,
to a file of the same version. Which one that is depends on where the model lies, which a parser
isn't told: it looks for one that it can be, and leaves the ranges to the version's check as facts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from registry.formats.look import Look, Rule, SpentError, quoted
from registry.formats.onnx_schema import DATA_FIELDS, DATA_TYPES, EXTERNAL, DataType
from registry.formats.protobuf_wire import KEPT_MAX, Message

DIMENSIONS_MAX = 64
ELEMENTS_MAX = 2**63 - 1
#: Tensors in external files; each is remembered.
EXTERNAL_MAX = 500_000
#: Writers align tensors to pages, at most to so much: between two ranges that is no gap.
ALIGNMENT_BYTES = 64 * 1024

_SAVE = "Save the model again with the onnx library (onnx.save), and push a new version."
_BESIDE = (
    "Save the model with onnx.save(..., save_as_external_data=True, location=<file name>) and push "
    "both files into one folder."
)
DTYPE = Rule(
    "ONNX-5",
    f"Each tensor has a known data type and at most {DIMENSIONS_MAX} dimensions from 0 on.",
    _SAVE,
)
DATA = Rule(
    "ONNX-6",
    "Each tensor's elements are in exactly one place, which its data type allows.",
    _SAVE,
)
SIZE = Rule("ONNX-7", "Each tensor has as many bytes as its data type and dimensions say.", _SAVE)
SPARSE = Rule(
    "ONNX-8",
    "A sparse tensor has a value in one dimension for each index, and indices of INT64.",
    _SAVE,
)
LOCATION = Rule(
    "ONNX-9",
    "External data has a plain path below the model's own folder, and only keys of the standard.",
    _BESIDE,
)
PRESENT = Rule(
    "ONNX-10",
    "External data lies wholly within a file of the same version.",
    _BESIDE,
)
RULES = (DTYPE, DATA, SIZE, SPARSE, LOCATION, PRESENT)

_KEYS = {"location", "offset", "length", "checksum", "basepath"}
_COUNT = re.compile(r"0|[1-9][0-9]{0,18}")
_CHECKSUM = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
#: No backslash, no colon (drives, schemes, streams), nothing that shells or Windows read more into;
#: `*` begins ONNX Runtime's names of places in memory.
_NOT_PLAIN = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]|^~')


class Tensors:
    """What is known of a file's tensors so far."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._ranges: dict[str, list[tuple[int, int]]] = {}
        self._external = 0

    def check(self, tensor: Message) -> tuple[str, str, tuple[int, ...]]:
        """Its name, data type and dimensions, none if those are wrong; what is wrong is noted."""
        look = self._look
        name = tensor.one("name", "")
        what = f"tensor {quoted(name)}"
        dtype = DATA_TYPES.get(tensor.one("data_type", 0))
        dims = tuple(tensor.all("dims"))
        if dtype is None:
            found = tensor.one("data_type", 0)
            look.refuse(DTYPE, f"{what}: found data type {found}, expected 1 to {len(DATA_TYPES)}")
        elements = self._elements(what, tensor, dims)
        if dtype is None or elements is None:
            return name, "", ()
        if tensor.count("segment"):
            look.doubt(DATA, f"{what}: found a segment of a tensor, expected all of it")
        entries = tensor.all("external_data")
        if tensor.one("data_location", 0) == EXTERNAL or entries:
            self._check_external(what, tensor, dtype, elements)
        else:
            self._check_inline(what, tensor, dtype, elements)
        return name, dtype.name, dims

    def check_sparse(self, sparse: Message) -> int:
        """How many values it has. `values` and `indices` are what `check` found of them."""
        values, indices = sparse.one("values"), sparse.one("indices")
        dims = sparse.all("dims")
        what = f"sparse tensor {quoted(values[0] if values else '')}"
        if values is None or indices is None or len(values[2]) != 1:
            self._look.refuse(SPARSE, f"{what}: expected values in one dimension, and indices")
            return 0
        shapes = [(values[2][0],), (values[2][0], len(dims))]
        if indices[1] != "INT64" or indices[2] not in shapes:
            found = f"indices of {indices[1] or 'no type'} and shape {quoted(list(indices[2]))}"
            self._look.refuse(SPARSE, f"{what}: found {found}, expected INT64 of {shapes}")
        if self._elements(what, sparse, tuple(dims)) == 0 and values[2][0]:
            self._look.refuse(SPARSE, f"{what}: found values, expected none in no elements")
        return int(values[2][0])

    def external_data(self) -> list[dict[str, object]]:
        """Ranges of bytes by location, in order; those that touch, overlap or leave no more than an
        alignment between them are one."""
        found = []
        for location, ranges in sorted(self._ranges.items()):
            merged: list[list[int]] = []
            for begin, end in sorted(ranges):
                if merged and begin - merged[-1][1] < ALIGNMENT_BYTES:
                    merged[-1][1] = max(merged[-1][1], end)
                else:
                    merged.append([begin, end])
            found += [
                {"location": location, "offset": begin, "length": end - begin}
                for begin, end in merged
            ]
        return found

    def _elements(self, what: str, message: Message, dims: tuple[int, ...]) -> int | None:
        if message.count("dims") > DIMENSIONS_MAX or any(axis < 0 for axis in dims):
            expected = f"at most {DIMENSIONS_MAX} whole numbers"
            self._look.refuse(DTYPE, f"{what}: found dims {quoted(dims)}, expected {expected}")
            return None
        elements = bound = 1
        for axis in dims:
            elements *= axis
            # An axis of 0 makes the product 0, which must not hide another that is absurd.
            bound *= max(axis, 1)
            if bound > ELEMENTS_MAX:
                self._look.refuse(DTYPE, f"{what}: found dims {quoted(dims)}, expected under 2^63")
                return None
        return elements

    def _check_inline(self, what: str, tensor: Message, dtype: DataType, elements: int) -> None:
        look = self._look
        raw = tensor.one("raw_data", (0, 0))[1]
        counts = {name: tensor.count(name) for name in DATA_FIELDS if name != "raw_data"}
        filled = [name for name, count in {**counts, "raw_data": raw}.items() if count]
        if len(filled) > 1 or (elements and not filled):
            found = ", ".join(filled) or "no data"
            look.refuse(DATA, f"{what}: found {found}, expected raw_data or {dtype.field}")
            return
        if not filled:
            return
        if filled[0] == "raw_data" and dtype.bits:
            expected, unit = -(-elements * dtype.bits // 8), "bytes"
            found_count = raw
        elif filled[0] == dtype.field:
            expected, unit = -(-elements // dtype.elements) * dtype.values, f"in {dtype.field}"
            found_count = counts[dtype.field]
        else:
            look.refuse(DATA, f"{what}: found {filled[0]} for {dtype.name}, expected {dtype.field}")
            return
        if found_count != expected:
            look.refuse(
                SIZE, f"{what}: found {found_count} {unit}, expected {expected} of {dtype.name}"
            )

    def _check_external(self, what: str, tensor: Message, dtype: DataType, elements: int) -> None:
        look = self._look
        entries = tensor.all("external_data")
        keys = [key for key, _ in entries]
        values = dict(entries)
        if tensor.count("external_data") > KEPT_MAX or len(keys) != len(values):
            look.refuse(LOCATION, f"{what}: found keys {quoted(keys)}, expected each once")
            return
        if not values.keys() <= _KEYS:
            others = sorted(values.keys() - _KEYS)
            look.refuse(LOCATION, f"{what}: found keys {quoted(others)}, expected {sorted(_KEYS)}")
            return
        if "checksum" in values and not _CHECKSUM.fullmatch(values["checksum"]):
            look.refuse(LOCATION, f"{what}: found checksum {quoted(values['checksum'])}")
        location = _plain_path(values.get("location", ""))
        if location is None or values.get("basepath", "") not in ("", "."):
            found = quoted(values.get("location", "")) + (
                " with a basepath" * ("basepath" in values)
            )
            look.refuse(LOCATION, f"{what}: found location {found}, expected a plain relative path")
            return
        if tensor.one("data_location", 0) != EXTERNAL:
            look.doubt(DATA, f"{what}: found external data that is not said to be used")
            self._check_inline(what, tensor, dtype, elements)
            return
        if not dtype.bits or any(tensor.count(field) for field in DATA_FIELDS):
            look.refuse(
                DATA, f"{what}: found {dtype.name} in external data, expected it there alone"
            )
            return
        self._check_range(what, location, values, -(-elements * dtype.bits // 8))

    def _check_range(
        self, what: str, location: str, values: Mapping[str, str], expected: int
    ) -> None:
        look = self._look
        offset, length = values.get("offset", "0"), values.get("length", str(expected))
        if not _COUNT.fullmatch(offset) or not _COUNT.fullmatch(length):
            look.refuse(
                LOCATION,
                f"{what}: found offset {quoted(offset)} and length {quoted(length)}, expected "
                "whole numbers",
            )
            return
        if int(length) != expected:
            look.refuse(SIZE, f"{what}: found {int(length)} bytes, expected {expected}")
            return
        end = int(offset) + expected
        sizes = [
            size
            for path, size in look.files.items()
            if path == location or path.endswith(f"/{location}")
        ]
        if not any(end <= size for size in sizes):
            found = f"{quoted(location)} of {max(sizes)} bytes" if sizes else "no such file"
            look.refuse(
                PRESENT, f"{what}: found {found}, expected {quoted(location)} with {end} bytes"
            )
            return
        self._external += 1
        if self._external > EXTERNAL_MAX:
            raise SpentError("it has more external tensors than are looked at in one file")
        self._ranges.setdefault(location, []).append((int(offset), end))


def _plain_path(location: str) -> str | None:
    """The path without a `./` in front, or none if it is another than of plain names downward."""
    path = location.removeprefix("./")
    if _NOT_PLAIN.search(path) or path != path.strip():
        return None
    if any(part in ("", ".", "..") or part.endswith((".", " ")) for part in path.split("/")):
        return None
    return path
