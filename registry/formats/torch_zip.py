"""What torch.save writes: a zip archive of a pickle and raw storages.

Source: torch/serialization.py, `_save`; caffe2/serialize/inline_container.cc, which finds members
without regard to case and takes the first member's folder for the archive's. All members are in one
folder: `data.pkl`, a storage at `data/KEY` for each key that the pickle refers to, and notes of
torch's own. An archive of TorchScript has code beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from registry.formats import zip_container
from registry.formats.look import Look, Rule, quoted
from registry.formats.pickle_file import check_end, learn_tensors
from registry.formats.pickle_machine import Family, PickleMachine
from registry.formats.pickle_opcodes import OpcodeReader
from registry.formats.pickle_torch import TORCH, Storages
from registry.formats.pickle_values import Value
from registry.formats.source import Source
from registry.formats.torch_checkpoint import Checkpoint, StoragePlace
from registry.formats.torch_legacy import BYTES, KEYS
from registry.formats.zip_container import Member

_SAVE = "Save the state dict again with torch.save, and push a new version."
MEMBERS = Rule(
    "TORCH-7",
    "An archive of torch has one folder, with data.pkl, storages and torch's own notes in it.",
    _SAVE,
)
NOTES = Rule("TORCH-8", "Torch's own notes in an archive are as torch writes them.", _SAVE)
CODE = Rule(
    "TORCH-9",
    "An archive of torch holds tensors, and no code of TorchScript.",
    "Save the model's state dict, or export the model to ONNX, and push that.",
)
RULES = (MEMBERS, NOTES, CODE)

PICKLE = "data.pkl"
_STORAGE = "data/"
_BYTE_ORDER = "byteorder"
_NOTES = {
    "version": re.compile(rb"[0-9]{1,3}\n?"),
    _BYTE_ORDER: re.compile(rb"little|big"),
    ".format_version": re.compile(rb"[0-9]{1,3}"),
    ".storage_alignment": re.compile(rb"[0-9]{1,6}"),
    ".data/serialization_id": re.compile(rb"[0-9]{1,60}"),
}
_NOTE_BYTES_MAX = 64
_CODE = ("code/", "constants/", "constants.pkl", "bytecode.pkl", "mobile_debug_handles.pkl")
_CODE_FACT_MAX = 1000


def read(look: Look) -> None:
    """Facts: `tensors` and `globals` as of pickles; `code`, names of members that are code."""
    checkpoint(look)


def checkpoint(look: Look) -> Checkpoint:
    """Its value, and where its storages are. Facts and findings as of `read`."""
    named = _without_folder(look, zip_container.members(look))
    code = [name for name in named if name.startswith(_CODE)]
    if code:
        look.facts["code"] = sorted(code)[:_CODE_FACT_MAX]
        look.stop(CODE, f"found {len(code)} members of code, such as {quoted(min(code))}")
    if PICKLE not in named:
        look.stop(MEMBERS, f"found no {PICKLE}")
    found = {}
    for name, member in named.items():
        if name.startswith(_STORAGE):
            found[name[len(_STORAGE) :]] = StoragePlace(
                offset=member.offset, size_bytes=member.size_bytes, is_stored=member.is_stored
            )
        elif name in _NOTES:
            _check_note(look, name, member.source)
        elif name != PICKLE:
            look.refuse(MEMBERS, f"found {quoted(name)}, expected what torch.save writes")
    value, storages = _unpickled(look, named[PICKLE].source)
    _check_storages(look, found, storages)
    order = named.get(_BYTE_ORDER)
    is_little_endian = order is None or order.source.read(0, _NOTE_BYTES_MAX) == b"little"
    return Checkpoint(value=value, storages=found, is_little_endian=is_little_endian)


def _without_folder(look: Look, members: Iterable[Member]) -> dict[str, Member]:
    named = {member.name: member for member in members}
    folders = {name.partition("/")[0] if "/" in name else "" for name in named}
    if len(folders) != 1 or "" in folders:
        said = ", ".join(quoted(each) for each in sorted(folders)[:5]) or "nothing"
        look.stop(MEMBERS, f"found {said} at the top, expected one folder")
    return {name.partition("/")[2]: member for name, member in named.items()}


def _check_note(look: Look, name: str, source: Source) -> None:
    text = source.read(0, _NOTE_BYTES_MAX + 1)
    if not _NOTES[name].fullmatch(text):
        look.refuse(NOTES, f"found {quoted(text)} as {name}")


def _unpickled(look: Look, source: Source) -> tuple[Value, Storages]:
    """What the pickle makes, and the storages that it refers to."""
    inner = replace(
        look,
        source=source,
        member=f"{look.member}/{PICKLE}" if look.member else PICKLE,
        depth=look.depth + 1,
    )
    storages = Storages(with_views=False)
    family = Family(name="torch_state_dict", names=TORCH, persistent=storages.refer)
    reader = OpcodeReader(source)
    value = PickleMachine(inner, reader, family).run()
    check_end(inner, reader)
    learn_tensors(inner, value)
    return value, storages


def _check_storages(look: Look, found: Mapping[str, StoragePlace], storages: Storages) -> None:
    # Whatever else was refused may have kept some from being told.
    if found.keys() != storages.by_key.keys() and look.book.is_sound:
        odd = sorted(found.keys() ^ storages.by_key.keys())[0]
        there, not_there = ("found", "not referred to") if odd in found else ("no", "referred to")
        look.refuse(KEYS, f"{there} storage {quoted(odd)}, which is {not_there}")
    for key, place in found.items():
        size_bytes, storage = place.size_bytes, storages.by_key.get(key)
        expected = storage.items * storage.item_bytes if storage else size_bytes
        if size_bytes != expected:
            look.refuse(BYTES, f"found {size_bytes} bytes of storage {key}, expected {expected}")
