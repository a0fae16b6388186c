"""A release's word on a model, by tables of what its ONNX Runtime knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from registry.domain.readiness import Point, Weight
from registry.serving.onnx_model import read_model
from registry.serving.onnx_rules import CPU, CUDA, Types, check
from registry.serving.work_folder import sizes_below
from registry.testing.onnx_models import model, node, relu, save, value, weights

_FLOAT: Types = {"T": ("tensor(float)",)}
_ANY: Types = {"T": ("tensor(float)", "tensor(int64)", "tensor(bool)")}


@dataclass(frozen=True, kw_only=True)
class Known:
    """A runtime that is made by hand."""

    version: str = "1.23.0"
    ir_version_max: int = 8
    opset_max: Mapping[str, int] = field(
        default_factory=lambda: {"": 17, "ai.onnx.ml": 3, "com.microsoft": 1}
    )
    #: By provider and operator.
    kernels: Mapping[tuple[str, str], Sequence[Types]] = field(
        default_factory=lambda: {(each, "Relu"): (_FLOAT,) for each in (CPU, CUDA)}
    )
    inlined: Mapping[str, bool | None] = field(default_factory=dict)

    def knows(self, domain: str, op_type: str, opset: int) -> bool:
        assert opset <= self.opset_max.get(domain, 1)
        return any(known == op_type for _, known in self.kernels) or op_type in self.inlined

    def kernel(
        self, provider: str, domain: str, op_type: str, opset: int
    ) -> Sequence[Types] | None:
        return self.kernels.get((provider, op_type))

    def inlines(self, domain: str, op_type: str, opset: int) -> bool | None:
        return self.inlined.get(op_type, False)


def _kernels(op_type: str, *, cpu: Iterable[Types] = (), cuda: Iterable[Types] = ()) -> Known:
    found = {(CPU, op_type): tuple(cpu), (CUDA, op_type): tuple(cuda)}
    return Known(kernels=found)


def points(folder: Path, made: onnx.ModelProto, runtime: Known) -> list[Point]:
    save(made, folder / "model.onnx")
    return check(read_model(folder, "model.onnx", sizes_below(str(folder))), runtime)


def test_what_is_known_is_told_without_a_point(tmp_path: Path) -> None:
    assert points(tmp_path, relu(), Known()) == []


def test_an_ir_version_beyond_what_is_read_blocks(tmp_path: Path) -> None:
    (found,) = points(tmp_path, model(node("Relu", "x", "y"), ir_version=9), Known())
    assert (found.rule, found.weight) == ("GRAPH-6", Weight.BLOCKS)
    assert found.message == "ir_version: found 9, expected at most 8 for ONNX Runtime 1.23.0"


@pytest.mark.parametrize(
    ("opsets", "subject"),
    [
        ({"": 18}, "opset of the standard"),
        ({"ai.onnx": 18}, "opset of the standard"),
        ({"": 17, "ai.onnx.ml": 99}, "opset of domain 'ai.onnx.ml'"),
        ({"": 17, "com.microsoft": 2}, "opset of domain 'com.microsoft'"),
    ],
)
def test_an_opset_beyond_what_is_known_blocks(
    opsets: Mapping[str, int], subject: str, tmp_path: Path
) -> None:
    """Also where no operator is of that domain; and that alone is told."""
    (found,) = points(tmp_path, model(node("Relu", "x", "y"), opsets=opsets), Known())
    assert (found.rule, found.weight, found.subject) == ("GRAPH-7", Weight.BLOCKS, subject)


def test_an_opset_of_a_domain_without_operators_is_nothing(tmp_path: Path) -> None:
    """ONNX Runtime takes it."""
    assert (
        points(tmp_path, model(node("Relu", "x", "y"), opsets={"": 17, "acme": 9}), Known()) == []
    )


def test_operators_that_it_does_not_know_block_once_each(tmp_path: Path) -> None:
    """With some of their nodes by name, and the rest counted."""
    nodes = [node("Odd", f"x{n}", f"x{n + 1}", f"n{n}", domain="acme") for n in range(7)]
    made = model(*nodes, node("Relu", "x7", "y"), inputs=[value("x0")], opsets={"": 17, "acme": 1})
    (found,) = points(tmp_path, made, Known())
    assert (found.rule, found.weight) == ("GRAPH-8", Weight.BLOCKS)
    assert found.subject == "operator 'Odd' of domain 'acme'"
    assert found.found == "found 7 nodes ('n0', 'n1', 'n2', 'n3', 'n4' and 2 more) at opset 1"
    assert found.expected == "an operator that ONNX Runtime 1.23.0 knows"


def test_a_domain_that_is_not_imported_counts_at_its_newest(tmp_path: Path) -> None:
    """As ONNX Runtime takes it."""
    made = model(node("Relu", "x", "y"), opsets={"ai.onnx.ml": 3})
    assert points(tmp_path, made, Known()) == []


_INT64 = (value("x", TensorProto.INT64), value("y", TensorProto.INT64))


def _integers(op_type: str) -> onnx.ModelProto:
    return model(node(op_type, "x", "y", "n"), inputs=[_INT64[0]], outputs=[_INT64[1]])


class TestKernels:
    def test_types_without_a_kernel_block(self, tmp_path: Path) -> None:
        (found,) = points(tmp_path, _integers("Ceil"), _kernels("Ceil", cpu=[_FLOAT]))
        assert (found.rule, found.weight) == ("GRAPH-9", Weight.BLOCKS)
        assert found.subject == "operator 'Ceil' of the standard"
        assert found.found == "found 1 node ('n') of 'tensor(int64)' at opset 17"

    def test_no_kernel_at_all_blocks(self, tmp_path: Path) -> None:
        runtime = Known(kernels={(CPU, "Relu"): (_FLOAT,)}, inlined={"Ceil": False})
        (found,) = points(tmp_path, _integers("Ceil"), runtime)
        assert (found.rule, found.weight) == ("GRAPH-9", Weight.BLOCKS)

    def test_any_of_several_kernels_is_enough(self, tmp_path: Path) -> None:
        runtime = _kernels("Ceil", cpu=[_FLOAT, {"T": ("tensor(int64)",)}], cuda=[_ANY])
        assert points(tmp_path, _integers("Ceil"), runtime) == []

    def test_what_a_function_takes_the_place_of_needs_none(self, tmp_path: Path) -> None:
        """And where nobody knows whether one does, that is a doubt."""
        assert points(tmp_path, _integers("Ceil"), Known(inlined={"Ceil": True}))[0].rule == (
            "GRAPH-10"
        )
        (found,) = points(tmp_path, _integers("Ceil"), Known(inlined={"Ceil": None}))
        assert (found.rule, found.weight) == ("GRAPH-9", Weight.DOUBTS)

    def test_what_has_a_body_in_the_standard_is_a_doubt(self, tmp_path: Path) -> None:
        """A version may put it in the node's place."""
        runtime = _kernels("Relu", cpu=[_FLOAT])
        (found,) = points(tmp_path, _integers("Relu"), runtime)
        assert (found.rule, found.weight) == ("GRAPH-9", Weight.DOUBTS)

    def test_what_runs_on_a_gpu_alone_is_a_doubt(self, tmp_path: Path) -> None:
        """A server with one serves it."""
        (found,) = points(tmp_path, _integers("Ceil"), _kernels("Ceil", cuda=[_ANY]))
        assert (found.rule, found.weight) == ("GRAPH-9", Weight.DOUBTS)

    def test_what_runs_on_the_cpu_alone_is_a_remark(self, tmp_path: Path) -> None:
        (found,) = points(tmp_path, _integers("Ceil"), _kernels("Ceil", cpu=[_ANY]))
        assert (found.rule, found.weight) == ("GRAPH-10", Weight.REMARK)
        assert found.subject == "operators 'Ceil'"

    def test_float16_is_run_as_float32_on_the_cpu(self, tmp_path: Path) -> None:
        """With casts around it."""
        half = TensorProto.FLOAT16
        made = model(node("Ceil", "x", "y"), inputs=[value("x", half)], outputs=[value("y", half)])
        found = points(tmp_path, made, _kernels("Ceil", cpu=[_FLOAT], cuda=[_FLOAT]))
        assert [each.rule for each in found] == ["GRAPH-10"]

    def test_each_of_a_constraints_types_must_be_taken(self, tmp_path: Path) -> None:
        """Those of outputs too, and those of any number of inputs under one name."""
        made = model(
            node("Concat", "x w", "z", "c", axis=0),
            node("Cast", "z", "y", "cast", to=TensorProto.INT32),
            outputs=[value("y", TensorProto.INT32, [None, 4])],
            tensors=[weights("w", [[1, 2, 3, 4]])],
        )
        kernels = {
            (CPU, "Concat"): [{"T": ("tensor(float)",)}],
            (CPU, "Cast"): [{"T1": ("tensor(float)",), "T2": ("tensor(int64)",)}],
        }
        found = points(tmp_path, made, Known(kernels=kernels))
        assert [each.subject for each in found if each.rule == "GRAPH-9"] == [
            "operator 'Cast' of the standard"
        ]

    def test_types_that_are_not_known_refuse_nothing(self, tmp_path: Path) -> None:
        """Behind an operator that the library does not know, or within a function."""
        function = helper.make_function(
            "my", "F", ["a"], ["b"], [node("Ceil", "a", "b")], [helper.make_opsetid("", 17)]
        )
        made = model(
            node("Gelu", "x", "z", domain="com.microsoft"),
            node("Ceil", "z", "v"),
            node("F", "v", "y", domain="my"),
            opsets={"": 17, "com.microsoft": 1, "my": 1},
            functions=[function],
        )
        kernels = {
            (provider, op_type): [{"T": ("tensor(int8)",)}]
            for provider in (CPU, CUDA)
            for op_type in ("Gelu", "Ceil")
        }
        assert points(tmp_path, made, Known(kernels=kernels)) == []
