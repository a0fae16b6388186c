"""TensorFlow's checkpoints: the index, which says where in which file each tensor lies.

Sources: tensorflow/core/util/tensor_bundle/tensor_bundle.h, tensorflow/core/protobuf/
tensor_bundle.proto, and for the table that an index is
https://github.com/google/leveldb/blob/main/doc/table_format.md. Blocks of sorted keys and values
follow one another; behind each are the kind of its compression and a CRC-32C. An index of blocks
comes last, then a footer of 48 bytes.

The files with the tensors have no format. An index that passes says for each how long it is, and
that tensors cover it from the first byte to the last; a version's check can vouch for them so. Its
own name, which theirs begin with, a parser isn't told: it looks for files that they can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from registry.formats.look import Look, Rule, SpentError, StopLooking, quoted
from registry.formats.protobuf_wire import Message, WireError, schema, walk
from registry.formats.source import BytesSource

#: Much more than the index of the largest models; all of it is held.
INDEX_BYTES_MAX = 32 * 1024 * 1024
TENSORS_MAX = 500_000
#: Of all keys together, which are written shorter than they are.
KEYS_BYTES_MAX = 256 * 1024 * 1024
ELEMENTS_MAX = 2**63 - 1

_SAVE = "Save the model again with TensorFlow, and push all files of the checkpoint."
TABLE = Rule(
    "CHECKPOINT-1",
    "The index is a table in LevelDB's format, whose blocks follow one another without gap and "
    "have the checksums that they say.",
    _SAVE,
)
KEYS = Rule("CHECKPOINT-2", "Keys are sorted, and none comes twice.", _SAVE)
ENTRY = Rule(
    "CHECKPOINT-3",
    "Each entry is a protobuf message, strictly encoded, of a tensor's type, shape and place.",
    _SAVE,
)
SIZE = Rule("CHECKPOINT-4", "Each tensor has as many bytes as its type and shape say.", _SAVE)
COVER = Rule(
    "CHECKPOINT-5",
    "Tensors cover each data file from its first byte to its last, without gap or overlap.",
    _SAVE,
)
PRESENT = Rule(
    "CHECKPOINT-6", "The data files are in the version, and as long as the index says.", _SAVE
)
RULES = (TABLE, KEYS, ENTRY, SIZE, COVER, PRESENT)

_FOOTER_BYTES = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_TRAILER_BYTES = 5
_SCHEMA = schema("""
BundleHeaderProto
  1 num_shards int
  2 endianness int
  3 version VersionDef
VersionDef
  1 producer int
  2 min_consumer int
  3 bad_consumers* int
BundleEntryProto
  1 dtype int
  2 shape TensorShapeProto
  3 shard_id int
  4 offset int
  5 size int
  6 crc32c f32
  7 slices* bytes
TensorShapeProto
  2 dim* Dim
  3 unknown_rank int
Dim
  1 size int
  2 name bytes
""")
#: Name, and bytes of an element, by DataType; none where lengths are among the data.
_TYPES: dict[int, tuple[str, int | None]] = {
    1: ("float32", 4),
    2: ("float64", 8),
    3: ("int32", 4),
    4: ("uint8", 1),
    5: ("int16", 2),
    6: ("int8", 1),
    7: ("string", None),
    8: ("complex64", 8),
    9: ("int64", 8),
    10: ("bool", 1),
    11: ("qint8", 1),
    12: ("quint8", 1),
    13: ("qint32", 4),
    14: ("bfloat16", 2),
    15: ("qint16", 2),
    16: ("quint16", 2),
    17: ("uint16", 2),
    18: ("complex128", 16),
    19: ("float16", 2),
    22: ("uint32", 4),
    23: ("uint64", 8),
    24: ("float8_e5m2", 1),
    25: ("float8_e4m3fn", 1),
}


@dataclass(frozen=True, slots=True)
class _Entry:
    key: bytes
    dtype: int
    shape: list[int]
    shard: int
    offset: int
    size: int
    has_slices: bool


def read(look: Look) -> None:
    """Facts: `tensors` (a list of {name, dtype, shape}), `parameters`, `data_files` (a list of
    {ending, length}: what stands behind the index's name without `.index`, and how long it is)."""
    size_bytes = look.source.size_bytes
    if size_bytes > INDEX_BYTES_MAX:
        raise SpentError(f"it has {size_bytes} bytes; of an index {INDEX_BYTES_MAX} are looked at")
    data = look.source.read(0, size_bytes)
    if not data.endswith(_MAGIC):
        # Many things are called an index.
        look.doubt(TABLE, f"found {quoted(data[-8:])} as the last bytes, expected {quoted(_MAGIC)}")
        raise StopLooking
    pairs = _collect(_pairs(look, data))
    keys = [key for key, _ in pairs]
    if keys != sorted(set(keys)) or keys[:1] != [b""]:
        look.stop(KEYS, "found keys that are not sorted, or no header")
    shards = _header(look, pairs[0][1])
    entries = [_entry(look, key, value) for key, value in pairs[1:]]
    parameters = sum(_check_size(look, each) for each in entries)
    look.facts["tensors"] = [
        {
            "name": each.key.decode("utf-8", "replace"),
            "dtype": _TYPES[each.dtype][0] if each.dtype in _TYPES else str(each.dtype),
            "shape": each.shape,
        }
        for each in entries
    ]
    look.facts["parameters"] = parameters
    look.facts["data_files"] = _check_cover(look, entries, shards)


def _collect(pairs: Iterator[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    found, size_bytes = [], 0
    for key, value in pairs:
        found.append((key, value))
        size_bytes += len(key)
        if len(found) > TENSORS_MAX or size_bytes > KEYS_BYTES_MAX:
            raise SpentError("it has more or longer keys than are looked at in one file")
    return found


def _pairs(look: Look, data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of all data blocks; each byte of the file is part of something."""
    footer = data[-_FOOTER_BYTES:]
    at = 0
    handles = []
    for _ in range(2):
        offset, at = _varint(look, footer, at)
        length, at = _varint(look, footer, at)
        handles.append((offset, length))
    if len(data) < _FOOTER_BYTES or any(footer[at:-8]):
        look.stop(TABLE, "found a footer with something in its padding")
    meta, index = handles
    at = 0
    for _, handle in _block(look, data, *index):
        offset, rest = _varint(look, handle, 0)
        length, rest = _varint(look, handle, rest)
        if offset != at or rest != len(handle):
            look.stop(TABLE, f"found a block at {offset}, expected {at}")
        yield from _block(look, data, offset, length)
        at += length + _TRAILER_BYTES
    if meta[0] != at or list(_block(look, data, *meta)):
        look.stop(TABLE, f"found a metaindex at {meta[0]}, expected an empty one at {at}")
    at += meta[1] + _TRAILER_BYTES
    if index[0] != at or at + index[1] + _TRAILER_BYTES != len(data) - _FOOTER_BYTES:
        look.stop(TABLE, f"found an index at {index[0]}, expected it from {at} up to the footer")


def _block(look: Look, data: bytes, offset: int, length: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values. A key is the beginning of the one before it, and what follows."""
    end = offset + length
    if end + _TRAILER_BYTES > len(data) - _FOOTER_BYTES or length < 8:
        look.stop(TABLE, f"found a block of {length} bytes at {offset}", offset=offset)
    if data[end]:
        look.doubt(TABLE, f"found a block compressed by method {data[end]}", offset=offset)
        raise StopLooking
    found = int.from_bytes(data[end + 1 : end + _TRAILER_BYTES], "little")
    if found != _masked(_crc32c(data[offset : end + 1])):
        look.stop(TABLE, f"found a block of another checksum than {found:08x}", offset=offset)
    block = data[offset:end]
    restarts = int.from_bytes(block[-4:], "little")
    limit = length - 4 - 4 * restarts
    if limit < 0 or not restarts:
        look.stop(TABLE, f"found {restarts} restarts in {length} bytes", offset=offset)
    at, key = 0, b""
    starts = set()
    while at < limit:
        look.budget.step()
        starts.add(at)
        shared, at = _varint(look, block, at)
        further, at = _varint(look, block, at)
        size, at = _varint(look, block, at)
        if shared > len(key) or at + further + size > limit:
            look.stop(TABLE, "found an entry that runs over its block", offset=offset + at)
        key = key[:shared] + block[at : at + further]
        at += further + size
        yield key, block[at - size : at]
    for each in range(restarts):
        start = int.from_bytes(block[limit + 4 * each : limit + 4 * each + 4], "little")
        if start not in starts and not (start == 0 and not limit):
            look.stop(TABLE, f"found a restart at {start}, where no entry is", offset=offset)


def _varint(look: Look, data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for position, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return value, at + position + 1
    return look.stop(TABLE, "found a number without an end")


def _header(look: Look, value: bytes) -> int:
    """How many data files there are."""
    header = _message(look, "BundleHeaderProto", value)
    shards = header.one("num_shards", 0)
    # More than one byte order exists in name only.
    if not 0 < shards <= 99_999 or header.one("endianness", 0):
        look.stop(ENTRY, f"found {shards} data files, expected 1 to 99999 in little-endian order")
    return int(shards)


def _entry(look: Look, key: bytes, value: bytes) -> _Entry:
    entry = _message(look, "BundleEntryProto", value)
    return _Entry(
        key=key,
        dtype=entry.one("dtype", 0),
        shape=entry.one("shape", []),
        shard=entry.one("shard_id", 0),
        offset=entry.one("offset", 0),
        size=entry.one("size", 0),
        has_slices=bool(entry.count("slices")),
    )


def _message(look: Look, name: str, value: bytes) -> Message:
    leave: dict[str, Callable[[Message], object]] = {
        "Dim": lambda dim: dim.one("size", 0),
        "TensorShapeProto": lambda each: each.all("dim"),
    }

    def keep(message: Message) -> object:
        take = leave.get(message.type)
        return take(message) if take else message

    try:
        walked = walk(BytesSource(value), _SCHEMA, name, keep, look.budget)
    except WireError as error:
        _stop(look, f"{error}")
    if walked.unknown:
        _stop(look, f"found fields {quoted(sorted(walked.unknown))}")
    message: Message = walked.value
    return message


def _stop(look: Look, message: str) -> NoReturn:
    look.stop(ENTRY, message)


def _check_size(look: Look, entry: _Entry) -> int:
    """How many elements it has."""
    what = f"tensor {quoted(entry.key)}"
    elements = 1
    for axis in entry.shape:
        elements *= axis
        if axis < 0 or elements > ELEMENTS_MAX:
            look.stop(SIZE, f"{what}: found shape {quoted(entry.shape)}")
    if entry.dtype not in _TYPES:
        look.doubt(SIZE, f"{what}: found type {entry.dtype}")
        return 0
    _, size = _TYPES[entry.dtype]
    if size is None:
        return 0
    if not entry.has_slices and entry.size != elements * size:
        look.refuse(SIZE, f"{what}: found {entry.size} bytes, expected {elements * size}")
    # Its slices have entries of their own.
    return 0 if entry.has_slices else elements


def _check_cover(look: Look, entries: list[_Entry], shards: int) -> list[dict[str, object]]:
    by_shard: dict[int, list[_Entry]] = {}
    for entry in entries:
        by_shard.setdefault(entry.shard, []).append(entry)
    outside = sorted(by_shard.keys() - range(shards))
    if outside:
        look.stop(COVER, f"found tensors in data file {outside[0]}, expected 0 to {shards - 1}")
    sizes: dict[str, list[int]] = {}
    for path, size in look.files.items():
        sizes.setdefault(path[-_ENDING_CHARS:], []).append(size)
    return [
        _check_shard(look, by_shard.get(each, []), each, shards, sizes) for each in range(shards)
    ]


def _check_shard(
    look: Look, entries: list[_Entry], shard: int, shards: int, sizes: Mapping[str, list[int]]
) -> dict[str, object]:
    at = 0
    for entry in sorted(entries, key=lambda each: (each.offset, each.size)):
        if not entry.size:
            continue
        if entry.offset != at or entry.size < 0:
            what = f"tensor {quoted(entry.key)}"
            look.stop(COVER, f"{what}: found offset {entry.offset}, expected {at}")
        at += entry.size
    ending = f".data-{shard:05}-of-{shards:05}"
    found = sizes.get(ending, [])
    if at not in found:
        look.refuse(PRESENT, f"found sizes {quoted(found)} of *{ending}, expected {at} bytes")
    return {"ending": ending, "length": at}


_ENDING_CHARS = len(".data-00000-of-00001")


def _table() -> tuple[int, ...]:
    found = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            # The polynomial of CRC-32C (RFC 3720 section 12.1), lowest bit first.
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        found.append(crc)
    return tuple(found)


_CRC32C = _table()


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _masked(crc: int) -> int:
    """LevelDB's: so that a CRC of data that holds CRCs says something."""
    return ((crc >> 15 | (crc & 0x7FFF) << 17) + 0xA282EAD8) & 0xFFFFFFFF
