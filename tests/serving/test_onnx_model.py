"""A model through the onnx library: signature, operators, and what is wrong with it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from registry.domain.readiness import Signature, TensorInfo, Weight
from registry.serving import onnx_weights
from registry.serving.onnx_model import OnnxModel, Operator, UnreadableError, read_model
from registry.serving.onnx_rules import check
from registry.serving.runtimes import runtime
from registry.serving.work_folder import sizes_below
from registry.testing.onnx_models import model, node, relu, save, value, weights


def read(folder: Path, made: onnx.ModelProto, *, external: str = "") -> OnnxModel:
    save(made, folder / "m/model.onnx", external=external)
    return read_again(folder)


def read_again(folder: Path) -> OnnxModel:
    return read_model(folder, "m/model.onnx", sizes_below(str(folder)))


def said(read: OnnxModel) -> list[tuple[str, str, str, str]]:
    return [(each.rule, each.subject, each.found, each.expected) for each in read.points]


def test_a_sound_model_is_told_without_a_point(tmp_path: Path) -> None:
    """With its signature and its operators, their opsets and types."""
    made = read(tmp_path, relu())
    assert made.points == ()
    assert (made.ir_version, made.opsets) == (8, {"": 17})
    assert made.signature == Signature(
        inputs=(TensorInfo(name="x", dtype="FLOAT", dims=("N", 4)),),
        outputs=(TensorInfo(name="y", dtype="FLOAT", dims=("N", 4)),),
    )
    assert made.operators == (
        Operator(
            node="relu",
            domain="",
            op_type="Relu",
            opset=17,
            inputs=("tensor(float)",),
            outputs=("tensor(float)",),
        ),
    )


def test_the_signature_tells_what_may_be_left_out_and_what_is_no_tensor(tmp_path: Path) -> None:
    """An initializer that is an input too has a value; axes are numbers, names or neither."""
    optional = helper.make_value_info(
        "o", helper.make_optional_type_proto(helper.make_tensor_type_proto(1, [2]))
    )
    made = read(
        tmp_path,
        model(
            node("Add", "x w", "y"),
            node("SequenceConstruct", "x x", "s"),
            node("OptionalHasElement", "o", "b"),
            inputs=[
                value("x", dims=[None, "N", 4, -1]),
                value("w", dims=[4]),
                value("u", dims=None),
                optional,
            ],
            outputs=[
                value("y", dims=None),
                helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None),
                value("b", TensorProto.BOOL, []),
            ],
            tensors=[weights("w", [1, 2, 3, 4])],
            opsets={"": 18},
        ),
    )
    inputs = {each.name: each for each in made.signature.inputs}
    assert inputs["x"].dims == (None, "N", 4, None)
    assert inputs["u"].dims is None
    assert [name for name, each in inputs.items() if each.is_optional] == ["w", "o"]
    assert inputs["o"].kind == "optional"
    kinds = {each.name: (each.kind, each.dtype, each.dims) for each in made.signature.outputs}
    assert kinds["s"] == ("sequence", "", None)
    assert kinds["b"] == ("tensor", "BOOL", ())


def test_operators_below_others_and_in_functions_are_told(tmp_path: Path) -> None:
    """A branch sees the types around it, a function has opsets of its own, and a call of one is
    no operator."""
    branch = helper.make_graph(
        [node("Neg", "x", "n", "inner")], "then", [], [value("n", dims=None)]
    )
    function = helper.make_function(
        "my", "F", ["a"], ["b"], [node("Relu", "a", "b", "own")], [helper.make_opsetid("", 14)]
    )
    made = read(
        tmp_path,
        model(
            node("If", "c", "z", "if", then_branch=branch, else_branch=branch),
            node("F", "z", "y", "call", domain="my"),
            inputs=[value("x"), value("c", TensorProto.BOOL, [])],
            opsets={"": 17, "my": 1},
            functions=[function],
        ),
    )
    assert made.points == ()
    found = [(each.node, each.op_type, each.opset, each.inputs) for each in made.operators]
    assert found == [
        ("inner", "Neg", 17, ("tensor(float)",)),
        ("inner", "Neg", 17, ("tensor(float)",)),
        ("if", "If", 17, ("tensor(bool)",)),
        ("own", "Relu", 14, ("",)),
    ]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            model(node("Add", "x nope", "y", "add")),
            ("GRAPH-2", "node 'add' (Add)", "no node before it makes its input 'nope'", ""),
        ),
        (
            model(node("Relu", "x", "y", "a", alpha=1.0)),
            ("GRAPH-2", "node 'a' (Relu)", "Unrecognized attribute: alpha for operator Relu", ""),
        ),
        (
            model(node("Add", "x w", "y"), tensors=[weights("w", [1] * 4)] * 2),
            ("GRAPH-2", "tensor 'w'", "w initializer name is not unique", ""),
        ),
        (
            model(node("Relu", "x", "z")),
            (
                "GRAPH-2",
                "tensor 'y'",
                "Graph output 'y' is not an output of any node in graph.",
                "",
            ),
        ),
        (
            model(node("MatMul", "x w", "y", "mul"), tensors=[weights("w", np.ones((5, 4)))]),
            (
                "GRAPH-3",
                "node 'mul' (MatMul)",
                "Incompatible dimensions for matrix multiplication",
                "",
            ),
        ),
        (
            model(node("Relu", "x", "y"), outputs=[value("y", dims=["N", 5])]),
            (
                "GRAPH-3",
                "a node without a name (Relu)",
                "Inferred shape and existing shape differ in dimension 1: (4) vs (5)",
                "",
            ),
        ),
        (
            model(
                node("Add", "x w", "y"),
                tensors=[TensorProto(name="w", data_type=1, dims=[4], raw_data=bytes(12))],
            ),
            ("GRAPH-4", "tensor 'w'", "found 12 bytes", "16 of FLOAT"),
        ),
    ],
)
def test_a_complaint_names_whom_it_is_about(
    made: onnx.ModelProto, told: tuple[str, str, str, str], tmp_path: Path
) -> None:
    """One point a cause, with the weight of a doubt until a session was tried."""
    found = read(tmp_path, made)
    assert said(found) == [told]
    assert found.points[0].weight is Weight.DOUBTS
    assert found.points[0].path == "m/model.onnx"
    assert found.points[0].fix


def test_what_has_many_contradictions_tells_some_and_counts_the_rest(tmp_path: Path) -> None:
    nodes = [node("Relu", f"x{n}", f"x{n + 1}", f"n{n}") for n in range(30)]
    wrong = [value(f"x{n}", dims=["N", 4 + n]) for n in range(1, 30)]
    made = model(*nodes, inputs=[value("x0")], outputs=[value("x30")], values=wrong)
    points = read(tmp_path, made).points
    assert len(points) == 11
    assert points[-1].found == "found 20 more of this kind"


def test_what_is_no_model_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/model.onnx").write_bytes(b"hello world")
    with pytest.raises(UnreadableError) as caught:
        read_again(tmp_path)
    assert (caught.value.point.rule, caught.value.point.weight) == ("GRAPH-1", Weight.BLOCKS)


@pytest.mark.parametrize("name", [b"relu", b"x", b"graph"])
def test_a_name_that_is_no_text_is_a_doubt(name: bytes, tmp_path: Path) -> None:
    """ONNX Runtime may take it, and nobody can say it."""
    save(relu(), tmp_path / "m/model.onnx")
    path = tmp_path / "m/model.onnx"
    path.write_bytes(path.read_bytes().replace(name, b"\xff" + name[1:]))
    with pytest.raises(UnreadableError) as caught:
        read_again(tmp_path)
    assert (caught.value.point.rule, caught.value.point.weight) == ("GRAPH-1", Weight.DOUBTS)


class TestExternalData:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        made = model(node("Add", "x w", "y"), tensors=[weights("w", [1, np.nan, np.inf, 4])])
        save(made, tmp_path / "m/model.onnx", external="w.bin")
        return tmp_path

    def test_it_is_read_where_it_lies(self, folder: Path) -> None:
        assert [each.rule for each in read_again(folder).points] == ["GRAPH-5", "GRAPH-5"]

    def test_one_that_is_not_there_is_told(self, folder: Path) -> None:
        """Also where a folder below has a file of that name, which a parser would take."""
        (folder / "m/w.bin").unlink()
        assert ("GRAPH-4", "tensor 'w'") in [each[:2] for each in said(read_again(folder))]
        (folder / "m/sub").mkdir()
        (folder / "m/sub/w.bin").write_bytes(bytes(4096))
        (found,) = said(read_again(folder))
        assert found == ("GRAPH-4", "file 'w.bin'", "there is no such file", "16 bytes")

    def test_one_that_is_too_short_is_told(self, folder: Path) -> None:
        (folder / "m/w.bin").write_bytes(bytes(15))
        assert said(read_again(folder)) == [
            ("GRAPH-4", "tensor 'w'", "found 'w.bin' of 15 bytes", "'w.bin' with 16 bytes")
        ]

    @pytest.mark.parametrize(
        "changed",
        [{"location": "../w.bin"}, {"offset": "-4"}, {"length": "12"}, {"offset": "8"}],
    )
    def test_a_place_that_is_none_is_told(self, folder: Path, changed: Mapping[str, str]) -> None:
        """The checker takes some of these; ONNX Runtime none."""
        path = folder / "m/model.onnx"
        made = onnx.load(path, load_external_data=False)
        for entry in made.graph.initializer[0].external_data:
            entry.value = changed.get(entry.key, entry.value)
        path.write_bytes(made.SerializeToString())
        assert "GRAPH-4" in [each[0] for each in said(read_again(folder))]


class TestWeights:
    @pytest.mark.parametrize(
        "dtype",
        [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16],
    )
    @pytest.mark.parametrize("is_raw", [True, False])
    def test_what_is_no_number_is_a_remark(self, dtype: int, is_raw: bool, tmp_path: Path) -> None:
        """Whatever the type, and in whichever field it lies."""
        array = np.array([1.0, np.nan, -np.inf, np.nan, 0.5])
        tensor = helper.make_tensor("w", dtype, [5], array)
        if is_raw:
            tensor = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), "w")
        made = model(
            node("Cast", "w", "y", to=1),
            inputs=[],
            outputs=[value("y", dims=[5])],
            tensors=[tensor],
        )
        points = read(tmp_path, made).points
        assert [(each.subject, each.found, each.weight) for each in points] == [
            ("weights 'w'", "found 2 that are NaN", Weight.REMARK),
            ("weights 'w'", "found 1 that is infinite", Weight.REMARK),
        ]

    def test_tensors_of_branches_and_functions_are_looked_at(self) -> None:
        """Wherever they are."""
        constant = node("Constant", "", "c", value=weights("deep", [np.nan]))
        branch = helper.make_graph([constant], "then", [], [value("c", dims=None)])
        function = helper.make_function(
            "my", "F", [], ["c"], [constant], [helper.make_opsetid("", 17)]
        )
        made = model(
            node("If", "c", "y", then_branch=branch, else_branch=branch),
            functions=[function],
            tensors=[weights("top", [1])],
        )
        names = sorted(each.name for each in onnx_weights.tensors_of(made))
        assert names == ["deep", "deep", "deep", "top"]


@given(st.data())
def test_whatever_the_bytes_are_they_are_a_model_or_none(data: st.DataObject) -> None:
    """An error of another kind would end the process that reads all models of a version."""
    content = bytearray(_MANGLED.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.onnx").write_bytes(content)
        with suppress(UnreadableError):
            found = read_model(Path(folder), "model.onnx", {"model.onnx": len(content)})
            check(found, runtime("1.23.0"))


_MANGLED = model(
    node("Gelu", "x", "z", domain="com.microsoft"),
    node("Add", "z w", "v"),
    node("Reshape", "v s", "y", "shape"),
    tensors=[weights("w", [1, 2, 3, np.nan]), weights("s", [-1, 4], "int64")],
    opsets={"": 17, "com.microsoft": 1},
)
