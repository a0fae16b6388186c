"""safetensors: a length, a JSON header, and tensors' bytes without a gap.

Source: the format's description in https://github.com/huggingface/safetensors (README, "Format"):
8 bytes, the header's length N, little-endian; N bytes of JSON, `{` first, padded with spaces; the
rest is the buffer that `data_offsets` count from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.formats import strict_json
from registry.formats.look import Look, Rule, quoted
from registry.formats.reaching import reaching

HEADER_BYTES_MAX = 100_000_000
#: A tensor of more dimensions, or of more elements, is none that a library makes.
DIMENSIONS_MAX = 32
ELEMENTS_MAX = 2**63 - 1
METADATA_KEY = "__metadata__"

#: Bits of one element. Types below a byte are packed; a tensor ends with a whole byte.
BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}

_SAVE = "Save the tensors again with the safetensors library, and push a new version."
LENGTH = Rule(
    "SAFETENSORS-1",
    f"The header's length is at most {HEADER_BYTES_MAX:,} bytes and lies within the file.",
    _SAVE,
)
HEADER = Rule(
    "SAFETENSORS-2",
    "The header is a JSON object in UTF-8 that begins with { and has no key twice.",
    _SAVE,
)
METADATA = Rule(
    "SAFETENSORS-3",
    f"{METADATA_KEY} maps texts to texts, of which none is a template that reaches for Python's "
    "inside.",
    _SAVE,
)
TENSOR = Rule(
    "SAFETENSORS-4",
    "Each tensor has a known dtype, a shape of whole numbers from 0 on, and two offsets; no more.",
    _SAVE,
)
SIZE = Rule(
    "SAFETENSORS-5", "The offsets of each tensor span as many bytes as dtype and shape say.", _SAVE
)
GAPS = Rule(
    "SAFETENSORS-6",
    "Tensors follow one another without gap or overlap from the header to the end of the file.",
    _SAVE,
)
RULES = (LENGTH, HEADER, METADATA, TENSOR, SIZE, GAPS)


def read(look: Look) -> None:
    """Facts: `tensors`, a list of {name, dtype, shape}, in the order of their bytes; `metadata`,
    texts by key."""
    header, begin = _header(look)
    metadata = header.pop(METADATA_KEY, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        look.refuse(METADATA, f"found {quoted(metadata)}")
        metadata = {}
    spans = []
    for name, entry in header.items():
        look.budget.step()
        spans.append((*_tensor(look, name, entry), name))
    _check_order(look, spans, look.source.size_bytes - begin)
    spans.sort()
    look.facts["tensors"] = [
        {"name": name, "dtype": header[name]["dtype"], "shape": header[name]["shape"]}
        for _, _, name in spans
    ]
    for key, text in metadata.items():
        if reached := reaching(text):
            look.refuse(METADATA, f"{quoted(key)}: found {quoted(reached)} in a template's braces")
    if metadata:
        look.facts["metadata"] = metadata


def _header(look: Look) -> tuple[dict[str, Any], int]:
    """The header, and where the buffer begins."""
    size_bytes = look.source.size_bytes
    if size_bytes < 8:
        look.stop(LENGTH, f"found {size_bytes} bytes, expected 8 for the header's length", offset=0)
    length = int.from_bytes(look.source.read(0, 8), "little")
    if not 2 <= length <= min(HEADER_BYTES_MAX, size_bytes - 8):
        look.stop(
            LENGTH,
            f"found a header of {length} bytes in a file of {size_bytes}, expected 2 to "
            f"{max(2, min(HEADER_BYTES_MAX, size_bytes - 8))}",
            offset=0,
        )
    text = look.source.read(8, length)
    if text[:1] != b"{":
        look.stop(HEADER, f"found {quoted(text[:1])} as the first byte, expected '{{'", offset=8)
    try:
        # Padding is of spaces alone; JSON would allow tabs and line feeds.
        header = strict_json.loads(text.rstrip(b" "))
    except strict_json.JsonError as error:
        where = None if error.position is None else 8 + error.position
        look.stop(HEADER, str(error), offset=where)
    if not isinstance(header, dict):
        look.stop(HEADER, f"found {quoted(header)}, expected an object", offset=8)
    return header, 8 + length


def _tensor(look: Look, name: str, entry: object) -> tuple[int, int]:
    """Where its bytes begin and end in the buffer."""
    what = f"tensor {quoted(name)}"
    if not isinstance(entry, Mapping) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        look.stop(TENSOR, f"{what}: found {quoted(entry)}, expected dtype, shape, data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        look.stop(TENSOR, f"{what}: found dtype {quoted(dtype)}, expected one of {', '.join(BITS)}")
    if not _is_counts(shape) or len(shape) > DIMENSIONS_MAX:
        look.stop(
            TENSOR,
            f"{what}: found shape {quoted(shape)}, expected at most {DIMENSIONS_MAX} whole numbers",
        )
    if not _is_counts(offsets) or len(offsets) != 2:
        look.stop(TENSOR, f"{what}: found data_offsets {quoted(offsets)}, expected two of them")
    elements = 1
    for axis in shape:
        elements *= axis
        if elements > ELEMENTS_MAX:
            look.stop(TENSOR, f"{what}: found shape {quoted(shape)}, expected under 2^63 elements")
    begin, end = offsets
    bits = elements * BITS[dtype]
    if bits % 8 or end - begin != bits // 8:
        look.stop(
            SIZE,
            f"{what}: found {end - begin} bytes, expected {bits / 8:g} for {dtype} of {shape}",
        )
    return begin, end


def _is_counts(value: object) -> bool:
    # True is an int to Python, and 1.0 is none.
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)


def _check_order(look: Look, spans: list[tuple[int, int, str]], buffer_bytes: int) -> None:
    at = 0
    for begin, end, name in sorted(spans):
        if begin != at:
            kind = "a gap" if begin > at else "an overlap"
            look.stop(
                GAPS,
                f"found {kind} before tensor {quoted(name)}: it begins at {begin}, expected {at}",
            )
        at = end
    if at != buffer_bytes:
        look.stop(GAPS, f"the tensors end at byte {at} of the buffer, expected {buffer_bytes}")
