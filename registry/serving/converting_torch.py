"""A checkpoint of torch, read by abstract interpretation: nothing of it is loaded, nor is torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from registry.formats import pickle_rules, torch_legacy, torch_zip
from registry.formats.kinds import content_of
from registry.formats.look import Budget, Look, Notebook, quoted
from registry.formats.pickle_values import Tensor
from registry.formats.safetensors import METADATA_KEY
from registry.formats.source import Source
from registry.formats.torch_checkpoint import Checkpoint, StoragePlace
from registry.serving.converting_names import Named, named_tensors
from registry.serving.converting_reading import check_sound, finding_of
from registry.serving.converting_safetensors import DTYPES
from registry.serving.converting_values import (
    CannotConvertError,
    Elements,
    NamedTensor,
    size_bytes_max,
)

_TIES_MAX = 200


@dataclass(frozen=True, kw_only=True)
class TorchFile:
    tensors: Sequence[NamedTensor]
    named: Named
    #: Names of tensors that share bytes, each group once.
    ties: Sequence[Sequence[str]]


def read_torch(source: Source, found: Notebook, role: str) -> TorchFile:
    """Its tensors. `found` is what its strict parser left behind.

    CannotConvertError where it has what safetensors cannot hold, or is not sound.
    """
    _check_sound(found)
    budget = Budget()
    look = Look(
        source=source,
        role=role,
        files={},
        budget=budget,
        book=Notebook(),
        inspect=lambda inner: None,
    )
    is_archive = content_of(source) == "zip"
    checkpoint = (torch_zip if is_archive else torch_legacy).checkpoint(look)
    if not checkpoint.is_little_endian:
        raise CannotConvertError(
            "found tensors of a big-endian machine, expected little-endian ones. Load it there and "
            "save it again on a little-endian machine."
        )
    named = named_tensors(checkpoint.value, budget)
    if not named.tensors:
        raise CannotConvertError(
            "found no tensor of a model in it, expected a state dict: nothing would be left. "
            "Leave the file out."
        )
    tensors = [_tensor(checkpoint, name, each) for name, each in named.tensors.items()]
    _check_size(tensors, source.size_bytes)
    return TorchFile(tensors=tensors, named=named, ties=list(_ties(tensors)))


def _check_sound(found: Notebook) -> None:
    names = found.facts.get("globals", [])
    if any("._rebuild_sparse" in name for name in names):
        raise CannotConvertError(
            "found sparse tensors, which safetensors has not. Save them dense (tensor.to_dense())."
        )
    if "code" in found.facts:
        raise CannotConvertError(
            "found code of TorchScript, expected tensors alone. Load it where it was made, and "
            "save its state_dict()."
        )
    if found.is_sound:
        return
    note = finding_of(found)
    if note is not None and note.rule == pickle_rules.LISTED:
        raise CannotConvertError(
            f"{note.rule.id}: {note.message}: it holds objects, such as a whole module, expected "
            "tensors and plain values. Load it where it was made and is trusted, and save "
            "model.state_dict()."
        )
    check_sound(found)


def _tensor(checkpoint: Checkpoint, name: str, tensor: Tensor) -> NamedTensor:
    what = f"tensor {quoted(name)}"
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise CannotConvertError(f"{what}: its name is no valid text. Rename it.") from error
    if name == METADATA_KEY:
        raise CannotConvertError(f"{what}: its name means something else there. Rename it.")
    if tensor.storage is None:
        raise CannotConvertError(
            f"{what}: found a shape without bytes (device meta). Save it once it has its values."
        )
    if tensor.is_quantized:
        raise CannotConvertError(
            f"{what}: found a quantised tensor ({tensor.dtype}), which safetensors has not. Save "
            "tensor.dequantize(), or tensor.int_repr() with scale and zero point beside it."
        )
    if tensor.is_pending:
        raise CannotConvertError(
            f"{what}: found values that are still to be conjugated or negated. Save "
            "tensor.resolve_conj().resolve_neg()."
        )
    if tensor.dtype not in DTYPES:
        raise CannotConvertError(
            f"{what}: found {tensor.dtype}, expected what safetensors has: {', '.join(DTYPES)}. "
            "Save it as another dtype."
        )
    place = checkpoint.storages[tensor.storage.key]
    return NamedTensor(
        name=name,
        dtype=tensor.dtype,
        shape=_shape(what, tensor),
        elements=_elements(what, tensor, place),
    )


def _shape(what: str, tensor: Tensor) -> tuple[int, ...]:
    """As the file says it: torch counts pairs of F4, safetensors each of them."""
    if tensor.dtype != "F4":
        return tensor.shape
    if not tensor.shape:
        raise CannotConvertError(f"{what}: found F4 without an axis. Give it one, and save it.")
    return (*tensor.shape[:-1], tensor.shape[-1] * 2)


def _elements(what: str, tensor: Tensor, place: StoragePlace) -> Elements:
    storage = tensor.storage
    assert storage is not None
    if not place.is_stored:
        raise CannotConvertError(
            f"{what}: found its bytes compressed, as torch.save writes none. Save the state dict "
            "again with torch.save."
        )
    begin = place.offset + storage.begin * storage.item_bytes + tensor.offset * tensor.item_bytes
    found = Elements(
        begin=begin, item_bytes=tensor.item_bytes, shape=tensor.shape, strides=tensor.strides
    )
    if found.end > place.offset + place.size_bytes:
        raise AssertionError("a parser let a tensor pass that ends behind its storage")
    return found


def _check_size(tensors: Iterable[NamedTensor], source_bytes: int) -> None:
    size_bytes = sum(tensor.elements.size_bytes for tensor in tensors)
    if size_bytes > size_bytes_max(source_bytes):
        raise CannotConvertError(
            f"found tensors of {size_bytes:,} bytes in a file of {source_bytes:,}, since they "
            "share or repeat what is stored; expected at most "
            f"{size_bytes_max(source_bytes):,}. Save what is expanded as it was before."
        )


def _ties(tensors: Iterable[NamedTensor]) -> Iterator[list[str]]:
    """Groups of tensors whose bytes overlap, at most so many."""
    count = 0
    group: list[str] = []
    end = 0
    spans = sorted(
        (each.elements.begin, each.elements.end, each.name)
        for each in tensors
        if each.elements.count
    )
    for begin, until, name in [*spans, (end, 0, "")]:
        if not name or begin >= end:
            if len(group) > 1 and count < _TIES_MAX:
                count += 1
                yield group
            group = []
        group.append(name)
        end = max(end, until)
