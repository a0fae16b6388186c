"""Files of one version as another format, proved to hold the same: see CONVERSION.md.

What is written is read again, and so is what it was made from, by processes of their own; only
where names, dtypes, shapes and bytes of all tensors are the same is there a result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from registry.jail.process import Limits, NoJailError
from registry.serving.converting_batch import Batch, ConvertedFile, Watcher
from registry.serving.converting_models import convert_models
from registry.serving.converting_process import ConversionError
from registry.serving.converting_weights import convert_weights

__all__ = [
    "Conversion",
    "ConversionError",
    "ConvertedFile",
    "NoJailError",
    "Target",
    "Watcher",
    "convert_files",
]


class Target(StrEnum):
    SAFETENSORS = "safetensors"
    ONNX_EXTERNAL = "onnx-external"
    ONNX_INLINE = "onnx-inline"


@dataclass(frozen=True, kw_only=True)
class Conversion:
    files: tuple[ConvertedFile, ...]
    #: Files that the result has in place of those that are `replaced`; some may have their names.
    written: tuple[str, ...]
    replaced: tuple[str, ...]


def convert_files(
    files: Mapping[str, Path],
    target: Target,
    into: Path,
    *,
    without: Collection[str] = (),
    watcher: Watcher,
    limits: Limits | None = None,
) -> Conversion:
    """Write what these files become into the folder, which is there and empty; they stay as they
    are, and what is no model is not copied.

    `files` by their paths in the version; those of `without` are looked past. ConversionError where
    any of them cannot be converted, all that is wrong at once, and where nothing is to be
    converted; NoJailError where this machine has no jail. What was written by then stays.
    """
    missing = sorted(set(without) - set(files))
    if missing:
        raise ConversionError(f"found no file {missing[0]} to leave out; name one of its files.")
    considered = {path: place for path, place in files.items() if path not in without}
    sizes = {path: place.lstat().st_size for path, place in considered.items()}
    batch = Batch(files=considered, into=into, watcher=watcher, sizes=sizes)
    if target is Target.SAFETENSORS:
        convert_weights(batch, limits or Limits())
    else:
        convert_models(batch, limits or Limits(), inline=target is Target.ONNX_INLINE)
    if batch.problems:
        lines = ["Nothing was converted.", *batch.problems]
        lines.append("A file that need not be in the result is left out with --without FILE.")
        raise ConversionError("\n".join(lines))
    if not batch.converted:
        raise ConversionError(_nothing(target, list(considered)))
    return Conversion(
        files=tuple(batch.converted),
        written=tuple(batch.written),
        replaced=tuple(sorted({*batch.replaced, *without})),
    )


def _nothing(target: Target, paths: Sequence[str]) -> str:
    expected = {
        Target.SAFETENSORS: "a checkpoint of torch, such as pytorch_model.bin or model.pt",
        Target.ONNX_EXTERNAL: "a model *.onnx with an initializer of 1 kB or more in it",
        Target.ONNX_INLINE: "a model *.onnx with tensors in files beside it",
    }[target]
    more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
    return (
        f"Nothing to convert: found {', '.join(paths[:5]) or 'no file'}{more}; expected {expected}."
    )
