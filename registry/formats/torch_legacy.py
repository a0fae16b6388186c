"""What torch.save wrote before version 1.6, and still writes on demand: pickles and raw storages.

Source: torch/serialization.py, `_legacy_save`: pickles of a magic number, a version, facts of the
machine, the object, and the storages' keys; then for each key eight bytes with its number of
elements, little-endian, and the elements.
"""

from __future__ import annotations

from collections.abc import Callable

from registry.formats.look import Look, Rule, StopLooking, quoted
from registry.formats.pickle_file import learn_tensors
from registry.formats.pickle_machine import Family, PickleMachine
from registry.formats.pickle_opcodes import OpcodeReader
from registry.formats.pickle_torch import SAME, TENSOR, TORCH, Storages
from registry.formats.pickle_values import Foreign, Items, Value
from registry.formats.torch_checkpoint import Checkpoint, StoragePlace

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
_TAR_BYTES = 512
_TAR_SUM = slice(148, 156)

_SAVE = "Save the state dict again with torch.save, and push a new version."
HEADER = Rule(
    "TORCH-3",
    "A file of torch's older format begins with torch's number, its version, and the machine's "
    "facts.",
    _SAVE,
)
KEYS = Rule(
    "TORCH-4", "The storages that follow the pickles are those that the pickles refer to.", _SAVE
)
BYTES = Rule(
    "TORCH-5",
    "Each storage has as many bytes as its type and size say; nothing else follows.",
    _SAVE,
)
TAR = Rule("TORCH-6", "A file of torch's older format is not a tar archive as well.", _SAVE)
RULES = (TENSOR, SAME, HEADER, KEYS, BYTES, TAR)

_NO_NAMES = Family(name="torch's header", names={})
_SIZES = {"short": (2,), "int": (4,), "long": (4, 8)}


def read(look: Look) -> None:
    """Facts: `tensors` and `globals` as of pickles."""
    checkpoint(look)


def checkpoint(look: Look) -> Checkpoint:
    """Its value, and where its storages are. Facts and findings as of `read`."""
    _check_tar(look)
    reader = OpcodeReader(look.source)
    _header(look, reader)
    storages = Storages(with_views=True)
    family = Family(name="torch_state_dict", names=TORCH, persistent=storages.refer)
    value = PickleMachine(look, reader, family).run()
    learn_tensors(look, value)
    keys = PickleMachine(look, reader, _NO_NAMES).run()
    places = _storages(look, reader, _keys(look, keys, storages), storages)
    return Checkpoint(value=value, storages=places)


def _header(look: Look, reader: OpcodeReader) -> None:
    _expect(look, reader, f"{MAGIC:#x}", lambda value: type(value) is int and value == MAGIC)
    _expect(look, reader, str(VERSION), lambda value: type(value) is int and value == VERSION)
    _expect(look, reader, "what torch writes on little-endian machines", _is_little_endian)


def _expect(
    look: Look, reader: OpcodeReader, expected: str, is_it: Callable[[Value], bool]
) -> None:
    at = reader.at
    value = PickleMachine(look, reader, _NO_NAMES).run()
    if isinstance(value, Foreign):
        raise StopLooking
    if not is_it(value):
        look.stop(HEADER, f"found {quoted(value)}, expected {expected}", offset=at)


def _is_little_endian(value: Value) -> bool:
    entries = value.entries if isinstance(value, Items) and value.kind == "dict" else {}
    sizes = entries.get("type_sizes")
    return (
        entries.keys() == {"protocol_version", "little_endian", "type_sizes"}
        and entries["protocol_version"] == VERSION
        and entries["little_endian"] is True
        and isinstance(sizes, Items)
        and sizes.kind == "dict"
        and sizes.entries.keys() == _SIZES.keys()
        and all(sizes.entries[name] in found for name, found in _SIZES.items())
    )


def _keys(look: Look, value: Value, storages: Storages) -> list[str]:
    parts = value.parts if isinstance(value, Items) and value.kind == "list" else [value]
    keys = [each for each in parts if isinstance(each, str)]
    if len(keys) != len(parts) or sorted(keys) != sorted(storages.by_key):
        if look.book.is_sound:
            look.refuse(
                KEYS, f"found {len(parts)} storages, expected {len(storages.by_key)} of their keys"
            )
        raise StopLooking
    return keys


def _storages(
    look: Look, reader: OpcodeReader, keys: list[str], storages: Storages
) -> dict[str, StoragePlace]:
    places = {}
    for key in keys:
        look.budget.step()
        storage = storages.by_key[key]
        expected = 8 + storage.items * storage.item_bytes
        if reader.left < expected:
            look.stop(
                BYTES,
                f"found {reader.left} bytes to the end, expected {expected}",
                offset=reader.at,
            )
        items = int.from_bytes(reader.take(8), "little")
        if items != storage.items:
            look.stop(
                BYTES,
                f"found {items} elements of storage {key}, expected {storage.items}",
                offset=reader.at - 8,
            )
        size_bytes = storage.items * storage.item_bytes
        places[key] = StoragePlace(offset=reader.at, size_bytes=size_bytes)
        reader.skip(size_bytes)
    if reader.left:
        look.stop(
            BYTES,
            f"found {reader.left} bytes after the last storage, expected none",
            offset=reader.at,
        )
    return places


def _check_tar(look: Look) -> None:
    """torch tries a third format first, a tar archive: it must not find one. Its mark is the sum of
    the first block's bytes, in octal, those of the sum counted as spaces."""
    block = look.source.read(0, _TAR_BYTES)
    if len(block) < _TAR_BYTES:
        return
    text = block[_TAR_SUM].partition(b"\0")[0].strip()
    rest = block[: _TAR_SUM.start] + b" " * 8 + block[_TAR_SUM.stop :]
    unsigned = sum(rest)
    signed = unsigned - 256 * sum(each > 127 for each in rest)
    in_base_256 = int.from_bytes(block[149:156]) if block[148] in (0o200, 0o377) else None
    try:
        found = int(text, 8) if text else 0
    except ValueError:
        found = None
    if found in (unsigned, signed) or in_base_256 in (unsigned, signed):
        look.refuse(TAR, "found the sum of a tar archive's first block", offset=_TAR_SUM.start)
