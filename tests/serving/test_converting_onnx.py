"""ONNX models whose tensors move beside them and back, in the real jail."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from registry.formats.inspect import inspect
from registry.formats.source import BytesSource, FileSource
from registry.serving import converting_onnx
from registry.serving.converting import Conversion, ConversionError, Target, convert_files
from registry.serving.converting_onnx import OnnxModel
from registry.serving.converting_values import CannotConvertError

pytestmark = pytest.mark.slow

_RNG = np.random.default_rng(7)


class Silent:
    def begin(self, step: str, path: str, size_bytes: int) -> None: ...

    def advance(self, path: str, count: int) -> None: ...

    def end(self) -> None: ...


def _weights(*shape: int) -> Any:
    return _RNG.standard_normal(shape).astype(np.float32)


def _value(name: str, kind: int, *dims: int | str) -> Any:
    return helper.make_tensor_value_info(name, kind, list(dims))


def model() -> Any:
    """Large and small initializers, raw and in typed fields, of a subgraph and of a constant."""
    typed = [
        helper.make_tensor(f"typed_{kind}", kind, [4096], _RNG.integers(0, 2, 4096).tolist())
        for kind in (
            *(TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.BOOL),
            *(TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.UINT64, TensorProto.INT4),
            *(TensorProto.FLOAT8E4M3FN, TensorProto.INT8, TensorProto.COMPLEX64),
        )
    ]
    initializers = [
        numpy_helper.from_array(_weights(64, 64), "large"),
        numpy_helper.from_array(_weights(64), "small"),
        numpy_helper.from_array(_weights(16, 16), "exactly_a_kilobyte"),
        numpy_helper.from_array(np.array(["a", "b" * 2000], dtype=object), "texts"),
        *typed,
    ]
    then = helper.make_graph(
        [helper.make_node("Add", ["x2", "inner"], ["y1"])],
        "then",
        [],
        [_value("y1", TensorProto.FLOAT, 64, 64)],
        [numpy_helper.from_array(_weights(64, 64), "inner")],
    )
    otherwise = helper.make_graph(
        [helper.make_node("Identity", ["x2"], ["y2"])],
        "otherwise",
        [],
        [_value("y2", TensorProto.FLOAT, 64, 64)],
    )
    constant = numpy_helper.from_array(_weights(1000), "constant")
    nodes = [
        helper.make_node("Constant", [], ["c"], value=constant),
        helper.make_node("MatMul", ["x", "large"], ["x1"]),
        helper.make_node("Add", ["x1", "small"], ["x2"]),
        helper.make_node("If", ["flag"], ["y"], then_branch=then, else_branch=otherwise),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [_value("x", TensorProto.FLOAT, 64, 64), _value("flag", TensorProto.BOOL)],
        [_value("y", TensorProto.FLOAT, 64, 64)],
        initializers,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(made)
    return made


def convert(source: Path, into: Path, target: Target) -> Conversion:
    into.mkdir(parents=True)
    files = {p.relative_to(source).as_posix(): p for p in source.rglob("*") if p.is_file()}
    return convert_files(files, target, into, watcher=Silent())


def contents(path: Path) -> Mapping[str, Any]:
    """Each initializer of a model, as the onnx library loads it from that folder."""
    loaded = onnx.load(path)
    branch = loaded.graph.node[-1].attribute
    inner = [each for attribute in branch for each in attribute.g.initializer]
    return {
        each.name: (each.data_type, numpy_helper.to_array(each).tobytes())
        for each in (*loaded.graph.initializer, *inner)
        if each.data_type != TensorProto.STRING
    }


def strict(folder: Path, name: str) -> Any:
    files = {p.name: p.stat().st_size for p in folder.iterdir()}
    with open(folder / name, "rb") as opened:
        found = inspect(FileSource(opened.fileno()), "onnx", files)
    assert found.book.notes == []
    return found.book.facts


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    (folder / "1").mkdir()
    onnx.save(model(), folder / "1/model.onnx")
    (folder / "config.pbtxt").write_text('name: "scorer"\n')
    return folder


@pytest.fixture(scope="module")
def external(source: Path) -> tuple[Path, Conversion]:
    into = source.parent / "external" / "into"
    return into, convert(source, into, Target.ONNX_EXTERNAL)


def test_tensors_move_into_one_file(source: Path, external: tuple[Path, Conversion]) -> None:
    """Initializers of a kilobyte and more, each on a page of its own; all load as before."""
    into, found = external
    assert found.written == ("1/model.onnx", "1/model.onnx.data")
    assert found.replaced == ("1/model.onnx",)
    assert contents(into / "1/model.onnx") == contents(source / "1/model.onnx")
    loaded = onnx.load(into / "1/model.onnx", load_external_data=False)
    places = {each.name: dict(_place(each)) for each in loaded.graph.initializer}
    assert {name for name, place in places.items() if not place} == {"small", "texts"}
    offsets = [int(place["offset"]) for place in places.values() if place]
    assert all(offset % 4096 == 0 for offset in offsets)
    assert len(set(offsets)) == len(offsets)
    assert {place["location"] for place in places.values() if place} == {"model.onnx.data"}
    assert _place(loaded.graph.node[0].attribute[0].t) == []
    facts = strict(into / "1", "model.onnx")
    assert [each["location"] for each in facts["external_data"]] == ["model.onnx.data"]
    onnx.checker.check_model(str(into / "1/model.onnx"))


def test_there_and_back_again(source: Path, external: tuple[Path, Conversion]) -> None:
    """Inline again it holds the same, needs no other file, and that one is gone."""
    there, _ = external
    into = source.parent / "back" / "into"
    found = convert(there, into, Target.ONNX_INLINE)
    assert found.written == ("1/model.onnx",)
    assert found.replaced == ("1/model.onnx", "1/model.onnx.data")
    assert [path.name for path in (into / "1").iterdir()] == ["model.onnx"]
    assert contents(into / "1/model.onnx") == contents(source / "1/model.onnx")
    strict(into / "1", "model.onnx")
    data = (into / "1/model.onnx").read_bytes()
    again = source.parent / "again" / "into"
    convert(into, source.parent / "third" / "into", Target.ONNX_EXTERNAL)
    convert(source.parent / "third" / "into", again, Target.ONNX_INLINE)
    assert (again / "1/model.onnx").read_bytes() == data


def test_nothing_is_done_twice(source: Path, external: tuple[Path, Conversion]) -> None:
    """A model that is so already is none to convert."""
    into, _ = external
    with pytest.raises(ConversionError, match="Nothing to convert"):
        convert(into, source.parent / "twice", Target.ONNX_EXTERNAL)
    with pytest.raises(ConversionError, match=r"expected a model \*\.onnx with tensors in files"):
        convert(source, source.parent / "inline", Target.ONNX_INLINE)


def test_a_file_for_each_tensor_becomes_one(source: Path) -> None:
    """What older exporters wrote; what another model still refers to stays."""
    folder = source.parent / "many"
    folder.mkdir()
    onnx.save_model(
        model(),
        folder / "model.onnx",
        save_as_external_data=True,
        all_tensors_to_one_file=False,
        convert_attribute=True,
    )
    before = {path.name for path in folder.iterdir()}
    found = convert(folder, source.parent / "one", Target.ONNX_EXTERNAL)
    assert set(found.replaced) == before
    assert contents(source.parent / "one/model.onnx") == contents(folder / "model.onnx")
    assert sorted(p.name for p in (source.parent / "one").iterdir()) == [
        "model.onnx",
        "model.onnx.data",
    ]


def test_more_than_protobuf_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before anything is read, with the way out."""
    made = onnx.ModelProto()
    tensor = made.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[2**29])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.data")
    found = OnnxModel(BytesSource(made.SerializeToString()))
    assert found.locations == ("w.data",)
    with pytest.raises(CannotConvertError, match=r"expected at most 2,147,483,647.*onnx-external"):
        next(found.inline(lambda data: None))
    monkeypatch.setattr(converting_onnx, "MODEL_BYTES_MAX", 10)
    with pytest.raises(CannotConvertError, match="found a model of"):
        OnnxModel(BytesSource(made.SerializeToString()))


def test_a_file_that_is_missing(source: Path) -> None:
    """Told by the strict parser, by name."""
    folder = source.parent / "missing"
    folder.mkdir()
    onnx.save_model(model(), folder / "model.onnx", save_as_external_data=True, location="w.data")
    (folder / "w.data").unlink()
    with pytest.raises(ConversionError, match=r"ONNX-10.*w\.data"):
        convert(folder, source.parent / "none", Target.ONNX_INLINE)


def test_a_name_that_is_taken(source: Path) -> None:
    """A file that is not the model's is not overwritten."""
    folder = source.parent / "taken"
    folder.mkdir()
    onnx.save_model(model(), folder / "model.onnx")
    (folder / "model.onnx.data").write_bytes(b"of somebody else")
    with pytest.raises(ConversionError, match=r"model\.onnx\.data, which is there already"):
        convert(folder, source.parent / "over", Target.ONNX_EXTERNAL)


def _place(tensor: Any) -> list[tuple[str, str]]:
    return [(entry.key, entry.value) for entry in tensor.external_data]
