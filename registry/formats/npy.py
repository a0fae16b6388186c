"""NumPy's .npy, one array, and .npz, a zip of such arrays.

Source: numpy/lib/format.py, "Format Version 1.0" to 3.0. `np.load` unpickles what follows the
header of an array of objects, a member of an .npz that is such an array, and any file that is
neither .npy nor zip: none of that is let in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.formats import zip_container
from registry.formats.look import Look, Rule, quoted
from registry.formats.npy_header import (
    SIZE_MAX,
    DtypeError,
    HeaderError,
    as_json,
    elements,
    item_bytes,
    parse,
)

HEADER_BYTES_MAX = 64 * 1024
_MAGIC = b"\x93NUMPY"
#: Bytes of the header's length, and its encoding, by version.
_VERSIONS = {b"\1\0": (2, "latin-1"), b"\2\0": (4, "latin-1"), b"\3\0": (4, "utf-8")}
_KEYS = {"descr", "fortran_order", "shape"}

_SAVE = "Save the array again with numpy.save(allow_pickle=False), and push a new version."
LENGTH = Rule(
    "NPY-1",
    f"The format is 1.0, 2.0 or 3.0, and its header has at most {HEADER_BYTES_MAX:,} bytes.",
    _SAVE,
)
HEADER = Rule(
    "NPY-2",
    "The header is a dict with exactly descr, fortran_order and shape, padded with spaces to a "
    "line feed.",
    _SAVE,
)
DTYPE = Rule(
    "NPY-3",
    "Elements are numbers, booleans, times, texts of fixed length or plain bytes, or records of "
    "them; never Python objects.",
    "Store objects in another way, such as JSON; save arrays of numbers.",
)
SHAPE = Rule("NPY-4", "The shape is a tuple of whole numbers from 0 on, of under 2^63.", _SAVE)
SIZE = Rule("NPY-5", "The elements fill the file from the header to the last byte.", _SAVE)
MEMBERS = Rule(
    "NPZ-1",
    "Members of an .npz are arrays, named .npy.",
    "Save the arrays again with numpy.savez, and push a new version.",
)
RULES = (LENGTH, HEADER, DTYPE, SHAPE, SIZE, MEMBERS)


def read(look: Look) -> None:
    """Facts: adds to `tensors` {name, dtype, shape}; the name is that of the member."""
    header, begin = _header(look)
    descr, shape = header["descr"], header["shape"]
    if type(header["fortran_order"]) is not bool:
        look.stop(HEADER, f"found fortran_order {quoted(as_json(header['fortran_order']))}")
    size = count = 0
    try:
        size = item_bytes(descr)
    except DtypeError as error:
        look.stop(DTYPE, f"found {quoted(str(error))}", offset=begin)
    try:
        count = elements(shape)
    except DtypeError as error:
        look.stop(SHAPE, f"found {quoted(str(error))}", offset=begin)
    found = look.source.size_bytes - begin
    if count * size != found or count * size > SIZE_MAX:
        look.stop(
            SIZE,
            f"found {found} bytes behind the header, expected {count * size}: {count} of {size}",
            offset=begin,
        )
    name = look.member.removesuffix(".npy")
    look.facts.setdefault("tensors", []).append(
        {"name": name, "dtype": as_json(descr), "shape": as_json(shape)}
    )


def read_npz(look: Look) -> None:
    """Facts: those of its arrays."""
    for member in zip_container.members(look, are_keys=True):
        # NumPy takes any other name for bytes as they are, others for a pickle.
        if not member.name.endswith(".npy"):
            look.refuse(MEMBERS, f"found a member {quoted(member.name)}", offset=member.offset)
            continue
        look.inside(member.name, member.source)


def _header(look: Look) -> tuple[Mapping[str, Any], int]:
    """The header, and where the elements begin."""
    source = look.source
    head = source.read(0, 12)
    width, encoding = _VERSIONS.get(head[6:8], (0, ""))
    if not head.startswith(_MAGIC) or not width or len(head) < 8 + width:
        look.stop(LENGTH, f"found {quoted(head[:8].hex())}, expected format 1.0, 2.0 or 3.0")
    length = int.from_bytes(head[8 : 8 + width], "little")
    begin = 8 + width + length
    if length > HEADER_BYTES_MAX or begin > source.size_bytes:
        look.stop(
            LENGTH,
            f"found a header of {length} bytes in a file of {source.size_bytes}",
            offset=8,
        )
    data = source.read(8 + width, length)
    if not data.endswith(b"\n"):
        look.stop(HEADER, "found no line feed as its last byte", offset=begin)
    try:
        header = parse(data[:-1].decode(encoding))
    except UnicodeDecodeError:
        look.stop(HEADER, "found bytes that are not UTF-8", offset=8 + width)
    except HeaderError as error:
        look.stop(HEADER, str(error), offset=8 + width + error.position)
    if header.keys() != _KEYS:
        look.stop(HEADER, f"found keys {quoted(sorted(header))}, expected {sorted(_KEYS)}")
    return header, begin
