"""Conversion in the real jail: what is written, what is said, what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import safetensors

from registry.formats.inspect import inspect
from registry.formats.source import BytesSource
from registry.jail.process import Limits, Process
from registry.serving import converting_process
from registry.serving.converting import (
    Conversion,
    ConversionError,
    Target,
    convert_files,
)
from registry.testing.checkpoints import (
    SAMPLES,
    Sample,
    archived,
    in_training,
    loaded,
    older,
)
from registry.testing.vectors.torch_archives import archive
from registry.testing.vectors.torch_files import state_dict

pytestmark = pytest.mark.slow


class Watching:
    """Notes what it is told; does something to a file between writing and comparing, if asked."""

    def __init__(self, spoil: Path | None = None) -> None:
        self.steps: list[tuple[str, str, int]] = []
        self.done: dict[str, int] = {}
        self._spoil = spoil

    def begin(self, step: str, path: str, size_bytes: int) -> None:
        self.steps.append((step, path, size_bytes))

    def advance(self, path: str, count: int) -> None:
        step = self.steps[-1][0]
        self.done[step] = self.done.get(step, 0) + count

    def end(self) -> None:
        if self._spoil is not None and self.steps[-1][0] == "convert":
            data = bytearray(self._spoil.read_bytes())
            data[-1] ^= 1
            self._spoil.write_bytes(data)


def convert(
    folder: Path,
    files: Mapping[str, bytes],
    target: Target = Target.SAFETENSORS,
    *,
    watching: Watching | None = None,
    without: tuple[str, ...] = (),
    limits: Limits | None = None,
) -> Conversion:
    for path, data in files.items():
        place = folder / "source" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    into = folder / "into"
    into.mkdir(exist_ok=True)
    places = {path: folder / "source" / path for path in files}
    watcher = watching or Watching()
    return convert_files(places, target, into, watcher=watcher, without=without, limits=limits)


def check(path: Path, samples: Mapping[str, Sample]) -> None:
    """By the safetensors library and by the strict parser: these tensors, and no other."""
    data = path.read_bytes()
    assert loaded(data) == {name: (e.dtype, e.shape, e.data) for name, e in samples.items()}
    strict = inspect(BytesSource(data), "safetensors", {})
    assert strict.book.notes == []
    assert strict.book.facts["metadata"] == {"format": "pt"}


def test_both_formats_of_torch(tmp_path: Path) -> None:
    """All dtypes; strided, shared, expanded and empty tensors; each with the bytes it shows."""
    watching = Watching()
    files = {"a/zip.pt": archived(SAMPLES), "older.pth": older(SAMPLES)}
    found = convert(tmp_path, files, watching=watching)
    for name in ("a/zip.safetensors", "older.safetensors"):
        check(tmp_path / "into" / name, SAMPLES)
    assert sorted(found.written) == ["a/zip.safetensors", "older.safetensors"]
    assert found.replaced == ("a/zip.pt", "older.pth")
    shared = ("whole", "tied", "transposed", "column")
    assert all([sorted(group) for group in each.ties] == [sorted(shared)] for each in found.files)
    size = sum(len(each.data) for each in SAMPLES.values())
    assert {each.size_bytes for each in found.files} == {size}
    assert watching.done["compare"] == 4 * size
    assert [step for step, _, _ in watching.steps] == ["check", "convert", "compare"] * 2
    assert {p: (tmp_path / "source" / p).read_bytes() for p in files} == files


def test_a_state_dict_in_a_checkpoint_of_training(tmp_path: Path) -> None:
    """Its names are those of the model; what is left out is told."""
    found = convert(tmp_path, {"last.ckpt": in_training(SAMPLES)})
    check(tmp_path / "into/last.safetensors", SAMPLES)
    (file,) = found.files
    assert file.within == "state_dict"
    assert dict(file.left_out) == {
        "optimizer": "state of training",
        "rng_state": "state of training",
        "epoch": "int",
        "args": "a dict of 2",
        "dtype": "torch.float16",
    }
    assert file.left_out_count == 5


def shards(weights: Mapping[str, str]) -> dict[str, bytes]:
    index = {"metadata": {"total_size": 9}, "weight_map": weights}
    return {
        "m/pytorch_model-00001-of-00002.bin": archived({"a": Sample(), "b": Sample()}),
        "m/pytorch_model-00002-of-00002.bin": archived({"c": Sample(dtype="I8")}),
        "m/pytorch_model.bin.index.json": json.dumps(index).encode(),
        "config.json": b"{}",
    }


ONE, TWO = "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"


def test_shards_and_their_index(tmp_path: Path) -> None:
    """The index names the new files, and counts their tensors' bytes."""
    found = convert(tmp_path, shards({"a": ONE, "b": ONE, "c": TWO}))
    into = tmp_path / "into/m"
    check(into / "model-00001-of-00002.safetensors", {"a": Sample(), "b": Sample()})
    check(into / "model-00002-of-00002.safetensors", {"c": Sample(dtype="I8")})
    index = json.loads((into / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 24 + 24 + 6}
    one, two = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
    assert index["weight_map"] == {"a": one, "b": one, "c": two}
    assert "m/pytorch_model.bin.index.json" in found.replaced
    assert not (tmp_path / "into/config.json").exists()


def test_an_index_that_is_wrong(tmp_path: Path) -> None:
    """A tensor that it places where none is: told, and nothing counts as converted."""
    with pytest.raises(ConversionError, match=r"it says that c is in .*00001"):
        convert(tmp_path, shards({"a": ONE, "b": ONE, "c": ONE}))


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """And files that can be left out are named so that they can be typed."""
    files = {
        "a.bin": archived({"x": Sample(shape=(9, 9))}),
        "model.bin": archived({"x": Sample()}),
        "model.pt": archived({"x": Sample()}),
        "notes.bin": bytes(range(256)),
    }
    with pytest.raises(ConversionError) as caught:
        convert(tmp_path, files)
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert "a.bin: TORCH-1" in lines[1]
    assert lines[2].startswith("model.pt: it would become model.safetensors")
    assert lines[3].endswith("--without FILE.")
    found = convert(tmp_path / "again", files, without=("a.bin", "model.pt"))
    assert found.replaced == ("a.bin", "model.bin", "model.pt")


def test_a_byte_that_differs_is_found(tmp_path: Path) -> None:
    """Whoever changes the result between writing and reading is noticed."""
    watching = Watching(spoil=tmp_path / "into/model.safetensors")
    with pytest.raises(ConversionError, match="not the same: the bytes of tensor x"):
        convert(tmp_path, {"model.pt": archived({"x": Sample()})}, watching=watching)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, with what to do; /dev/full is always full."""
    monkeypatch.setattr(converting_process, "_made", lambda path: os.open("/dev/full", os.O_WRONLY))
    with pytest.raises(ConversionError, match="the disk is full"):
        convert(tmp_path, {"model.pt": archived({"x": Sample()})})


@pytest.mark.parametrize(
    "answer", [{"tensors": [1]}, {"tensors": [], "size_bytes": "much"}, {"tensors": None}]
)
def test_an_answer_of_another_form_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: dict[str, object]
) -> None:
    """Who has read hostile bytes may say anything; it is no bug, and leaves no result."""
    monkeypatch.setattr(Process, "ask", lambda *of: answer)
    with pytest.raises(ConversionError, match="an answer of another form"):
        convert(tmp_path, {"model.pt": archived({"x": Sample()})})


def test_nothing_to_convert(tmp_path: Path) -> None:
    """Says what was found and what would have been expected."""
    with pytest.raises(ConversionError, match=r"found config\.json; expected a checkpoint"):
        convert(tmp_path, {"config.json": b"{}"})
    with pytest.raises(ConversionError, match="no file nosuch to leave out"):
        convert(tmp_path, {"config.json": b"{}"}, without=("nosuch",))


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A file of 160 MB, of which half is transposed, by processes that cannot hold it twice."""
    side, count = 8944, 2 * 8944**2
    samples = {
        "flat": Sample(dtype="U8", shape=(count // 2,), items=count),
        "transposed": Sample(
            dtype="U8", shape=(side, side), strides=(1, side), offset=count // 2, items=count
        ),
    }
    body = state_dict({name: each.pickled() for name, each in samples.items()})
    stored = (os.urandom(1_000_003) * (count // 1_000_003 + 1))[:count]
    files = {"model.pt": archive(body, {"0": stored})}
    # Python with its parsers takes a third of it.
    convert(tmp_path, files, limits=Limits(memory_bytes=280_000_000))
    with safetensors.safe_open(tmp_path / "into/model.safetensors", framework="numpy") as found:
        assert found.get_tensor("flat").tobytes() == stored[: count // 2]
        rows = found.get_tensor("transposed")[:2]
    assert rows.tobytes() == stored[count // 2 :: side] + stored[count // 2 + 1 :: side]
