"""The dry run: what a session, made-up inputs and golden samples tell of a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, ValueInfoProto, helper

from registry.domain.readiness import Signature, TensorInfo, Weight
from registry.jail.memory import PeakMemory
from registry.serving.dry_run import DryRun, Subject, dry_run
from registry.serving.made_inputs import UnmadeError, axes_of, made
from registry.serving.onnx_model import signature_of
from registry.serving.tensor_types import NUMPY, Array, as_float, from_float
from registry.serving.work_folder import sizes_below
from registry.testing.onnx_models import model, node, relu, save, value, weights

#: One for all, since it holds a file open.
_PEAK = PeakMemory()


def run(folder: Path, made: onnx.ModelProto, *, previous: Path | None = None) -> DryRun:
    save(made, folder / "m/1/model.onnx")
    return dry_run(
        Subject(
            top=folder,
            path="m/1/model.onnx",
            folder="m",
            signature=signature_of(made.graph),
            sizes=sizes_below(str(folder)),
            peak=_PEAK,
            previous=previous,
        )
    )


def told(done: DryRun) -> list[tuple[str, str, str]]:
    return [(each.rule, each.weight.value, each.subject) for each in done.points]


def test_a_sound_model_runs_at_two_sizes(tmp_path: Path) -> None:
    done = run(tmp_path, relu())
    assert done.points == []
    assert [(each.name, dict(each.axes), dict(each.shapes)) for each in done.runs] == [
        ("made, axes 1", {"N": 1}, {"y": (1, 4)}),
        ("made, axes 2", {"N": 2}, {"y": (2, 4)}),
    ]
    assert all(each.duration_ms > 0 and each.provider.startswith("CPU") for each in done.runs)
    assert done.peak_bytes > 10_000_000


def test_a_session_that_cannot_be_had_blocks(tmp_path: Path) -> None:
    """With the node that it names, and nothing of where the file lies."""
    done = run(
        tmp_path, model(node("MatMul", "x w", "y", "mul"), tensors=[weights("w", [[1] * 4])])
    )
    assert told(done) == [("RUN-1", "blocks", "node 'mul' (MatMul)")]
    assert "Incompatible dimensions for matrix multiplication" in done.points[0].found
    assert str(tmp_path) not in done.points[0].found
    assert done.runs == []


_TYPES = [
    *("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "BOOL", "STRING"),
    *("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"),
]


@pytest.mark.parametrize("dtype", _TYPES)
def test_inputs_of_each_type_that_triton_serves_are_made(dtype: str, tmp_path: Path) -> None:
    number = TensorProto.DataType.Value(dtype)
    passed = model(
        # Identity has no kernel for BFLOAT16; what goes through two casts is the same.
        *(
            [node("Cast", "x", "z", to=TensorProto.FLOAT), node("Cast", "z", "y", to=number)]
            if dtype == "BFLOAT16"
            else [node("Identity", "x", "y")]
        ),
        inputs=[value("x", number)],
        outputs=[value("y", number)],
    )
    done = run(tmp_path, passed)
    assert done.points == []
    assert [dict(each.shapes) for each in done.runs] == [{"y": (1, 4)}, {"y": (2, 4)}]
    assert dtype in NUMPY


@pytest.mark.parametrize("dtype", ["COMPLEX64", "INT4", "FLOAT8E4M3FN"])
def test_inputs_of_types_that_triton_has_not_are_a_doubt(dtype: str) -> None:
    signature = Signature(inputs=(TensorInfo(name="x", dtype=dtype, dims=(2,)),), outputs=())
    with pytest.raises(UnmadeError, match=f"'x' is of {dtype}, which Triton has not"):
        made(signature, {})


def test_outputs_of_no_type_that_triton_has_are_a_doubt(tmp_path: Path) -> None:
    pair = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)
    done = run(tmp_path, model(node("SequenceConstruct", "x x", "y"), outputs=[pair]))
    assert told(done) == [("RUN-2", "doubts", "made")]


class TestMadeInputs:
    def _signature(self, *inputs: tuple[str, str, Sequence[int | str | None] | None]) -> Signature:
        infos = (
            TensorInfo(name=name, dtype=dtype, dims=None if dims is None else tuple(dims))
            for name, dtype, dims in inputs
        )
        return Signature(inputs=tuple(infos), outputs=())

    def test_axes_of_one_name_have_one_length(self) -> None:
        """The first axis has its own size, also where its name stands elsewhere."""
        signature = self._signature(
            ("a", "INT64", ["batch", "seq"]),
            ("b", "FLOAT", ["seq", None, 3, "batch"]),
            ("c", "FLOAT", None),
        )
        assert axes_of(signature, 1, 5) == {"batch": 1, "seq": 1, "b:1": 5, "c:0": 1}
        shapes = {
            name: each.shape for name, each in made(signature, axes_of(signature, 1, 5)).items()
        }
        assert shapes == {"a": (1, 1), "b": (1, 5, 3, 1), "c": (1,)}

    def test_they_are_the_same_each_time_and_within_bounds(self) -> None:
        """Numbers from 0 to 1, whole ones 0 or 1, masks all ones."""
        signature = self._signature(
            ("f", "FLOAT", [100]),
            ("h", "BFLOAT16", [100]),
            ("ids", "INT64", [100]),
            ("attention_mask", "INT32", [100]),
            ("b", "BOOL", [100]),
            ("s", "STRING", [2]),
        )
        first, again = made(signature, {}), made(signature, {})
        for name, array in first.items():
            assert np.array_equal(array, again[name])
        for name, dtype in (("f", "FLOAT"), ("h", "BFLOAT16")):
            numbers = as_float(first[name], dtype)
            assert 0 <= numbers.min() < 0.2 < 0.8 < numbers.max() <= 1
        assert set(np.unique(first["ids"])) == {0, 1}
        assert set(np.unique(first["attention_mask"])) == {1}
        assert first["b"].all()

    def test_more_bytes_than_are_made_is_told(self) -> None:
        signature = self._signature(("x", "FLOAT", [1 << 20, 1 << 20]))
        with pytest.raises(UnmadeError, match="bytes, expected at most"):
            made(signature, {})

    def test_what_has_a_value_is_left_out(self, tmp_path: Path) -> None:
        added = model(
            node("Add", "x w", "y"),
            inputs=[value("x"), value("w", dims=[4])],
            tensors=[weights("w", [1, 2, 3, 4])],
        )
        assert run(tmp_path, added).points == []


def _images() -> onnx.ModelProto:
    """Pooled to nothing where they are small."""
    image: Sequence[ValueInfoProto] = [value("x", dims=["N", 3, "H", "W"])]
    pooled = node("MaxPool", "x", "y", "pool", kernel_shape=[8, 8])
    return model(pooled, inputs=image, outputs=[value("y", dims=["N", 3, "h", "w"])])


def test_a_model_that_needs_larger_axes_gets_them(tmp_path: Path) -> None:
    """What fails meanwhile is a remark."""
    done = run(tmp_path, _images())
    assert [dict(each.axes) for each in done.runs] == [
        {"N": 1, "H": 32, "W": 32},
        {"N": 2, "H": 64, "W": 64},
        {"N": 1, "H": 256, "W": 256},
    ]
    assert {each.weight for each in done.points} == {Weight.REMARK}
    assert {each.rule for each in done.points} == {"RUN-2"}


def _of_seven() -> onnx.ModelProto:
    """Says any length, and takes seven."""
    shape = weights("s", [7], "int64")
    return model(
        node("Reshape", "x s", "y", "shape"),
        inputs=[value("x", dims=["n"])],
        outputs=[value("y", dims=[7])],
        tensors=[shape],
    )


def test_made_up_inputs_never_block(tmp_path: Path) -> None:
    """One that runs at no length that was tried is a doubt, and with a sample a remark."""
    done = run(tmp_path, _of_seven())
    assert {(each.rule, each.weight) for each in done.points} == {("RUN-2", Weight.DOUBTS)}
    assert len(done.points) == 5
    assert "node 'shape' (Reshape)" in done.points[0].found

    seven = np.arange(7, dtype=np.float32)
    npz(tmp_path / "m/golden/a.npz", {"input:x": seven, "output:y": seven})
    done = run(tmp_path, _of_seven())
    assert {(each.rule, each.weight) for each in done.points} == {("RUN-2", Weight.REMARK)}


def test_outputs_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    """NaN is a doubt, infinities are at home in many models."""
    zero = node("Sub", "x x", "z")
    done = run(tmp_path, model(zero, node("Div", "z z", "y")))
    assert told(done) == [("RUN-3", "doubts", "output 'y'")]
    assert done.points[0].found == "found 4 of 4 elements that are NaN, made, axes 1"
    done = run(tmp_path, model(zero, node("Log", "z", "y")))
    assert told(done) == [("RUN-3", "remark", "output 'y'")]


def test_a_sample_that_runs_makes_other_inputs_less_of_a_doubt(tmp_path: Path) -> None:
    """The model answers what it is meant for."""
    root = model(node("Sub", "x one", "z"), node("Sqrt", "z", "y"), tensors=[weights("one", [1])])
    assert told(run(tmp_path, root)) == [("RUN-3", "doubts", "output 'y'")]
    fives = np.full((1, 4), 5, np.float32)
    npz(tmp_path / "m/golden/a.npz", {"input:x": fives, "output:y": np.sqrt(fives - 1)})
    assert told(run(tmp_path, root)) == [("RUN-3", "remark", "output 'y'")]


@pytest.mark.parametrize(
    ("dims", "expected"),
    [
        (["N", 5], "[N, 5] as declared"),
        (["N"], "[N] as declared"),
        ([2, 4], "[2, 4] as declared"),
    ],
)
def test_a_shape_that_was_not_declared_is_a_remark(
    dims: Sequence[int | str], expected: str, tmp_path: Path
) -> None:
    """A server hands it over as it is."""
    free = [value("x", dims=["N", "M"])]
    done = run(
        tmp_path, model(node("Relu", "x", "y"), inputs=free, outputs=[value("y", dims=dims)])
    )
    found = [each for each in done.points if each.rule == "RUN-4"]
    assert [(each.weight, each.expected) for each in found] == [(Weight.REMARK, expected)]


def npz(path: Path, arrays: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


def request(path: Path, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"inputs": inputs, "outputs": outputs}))


_X: npt.NDArray[np.float32] = np.array([[1, -2, 3, -4]], np.float32)
_Y: npt.NDArray[np.float32] = np.array([[1, 0, 3, 0]], np.float32)


def _tensor(name: str, data: Any, datatype: str = "FP32", **more: Any) -> Mapping[str, Any]:
    return {"name": name, "shape": [1, 4], "datatype": datatype, "data": data, **more}


class TestSamples:
    def test_those_that_come_out_are_told_as_runs(self, tmp_path: Path) -> None:
        """Arrays of numpy, and requests as Triton takes them."""
        npz(tmp_path / "m/golden/a.npz", {"input:x": _X, "output:y": _Y})
        request(
            tmp_path / "m/golden/b.json",
            [_tensor("x", [1, -2, 3, -4])],
            [_tensor("y", [[1, 0, 3, 0]])],
        )
        done = run(tmp_path, relu())
        assert done.points == []
        assert [(each.name, dict(each.differences)) for each in done.runs[:2]] == [
            ("m/golden/a.npz", {"y": 0.0}),
            ("m/golden/b.json", {"y": 0.0}),
        ]

    def test_one_that_comes_out_otherwise_blocks(self, tmp_path: Path) -> None:
        """With the output, the place, both values and the tolerance."""
        npz(
            tmp_path / "m/golden/a.npz",
            {"input:x": _X, "output:y": (_Y - [0, 0, 1, 2]).astype(np.float32)},
        )
        done = run(tmp_path, relu())
        assert told(done) == [("RUN-5", "blocks", "output 'y'")]
        (found,) = done.points
        assert found.path == "m/golden/a.npz"
        assert found.found == "found 3 at [0, 2] and 1 more elements"
        assert found.expected == "2 within rtol 0.001, atol 1e-05"
        assert dict(done.runs[0].differences) == {"y": 2.0}

    def test_one_of_another_shape_blocks(self, tmp_path: Path) -> None:
        npz(tmp_path / "m/golden/a.npz", {"input:x": _X, "output:y": _Y[0]})
        done = run(tmp_path, relu())
        assert [(each.rule, each.found, each.expected) for each in done.points] == [
            ("RUN-5", "found shape [1, 4]", "[4]")
        ]

    def test_one_that_the_model_does_not_run_on_blocks(self, tmp_path: Path) -> None:
        npz(tmp_path / "m/golden/a.npz", {"input:x": _X[0], "output:y": _Y[0]})
        done = run(tmp_path, relu())
        assert ("RUN-5", "blocks", "the sample") in told(done)

    def test_tolerances_are_those_that_are_said(self, tmp_path: Path) -> None:
        """Beside the samples for all of them, in a request for its own."""
        near = (_Y + 0.5).astype(np.float32)
        npz(tmp_path / "m/golden/a.npz", {"input:x": _X, "output:y": near})
        assert told(run(tmp_path, relu())) == [("RUN-5", "blocks", "output 'y'")]
        tolerances = tmp_path / "m/golden/tolerances.json"
        tolerances.write_text('{"y": {"atol": 0.6}}')
        assert run(tmp_path, relu()).points == []
        strict = _tensor("y", near.tolist(), parameters={"atol": 0.4})
        request(tmp_path / "m/golden/b.json", [_tensor("x", _X.tolist())], [strict])
        assert [each.path for each in run(tmp_path, relu()).points] == ["m/golden/b.json"]

    @pytest.mark.parametrize(
        ("write", "found"),
        [
            (
                lambda path: path.with_suffix(".npz").write_bytes(b"no zip"),
                "File is not a zip file",
            ),
            (lambda path: npz(path, {"x": _X}), "expected input:NAME.npy or output:NAME.npy"),
            (lambda path: npz(path, {"output:y": _Y}), "it has no input 'x'"),
            (lambda path: npz(path, {"input:x": _X}), "it has no outputs"),
            (
                lambda path: npz(path, {"input:x": _X, "input:u": _X, "output:y": _Y}),
                "the model has no input 'u'",
            ),
            (
                lambda path: npz(path, {"input:x": _X, "output:z": _Y}),
                "the model has no output 'z'",
            ),
            (
                lambda path: npz(path, {"input:x": _X.astype(float), "output:y": _Y}),
                "input 'x' is of float64, expected float32",
            ),
            (
                lambda path: npz(path, {"input:x": _X.astype(object), "output:y": _Y}),
                "Object arrays cannot be loaded",
            ),
            (
                lambda path: request(path.with_suffix(".json"), [_tensor("x", [1])], []),
                "'x' has 1 elements, expected 4",
            ),
            (
                lambda path: request(path.with_suffix(".json"), [_tensor("x", [1], "FP8")], []),
                "which Triton has not",
            ),
            (lambda path: path.with_suffix(".json").write_text("[]"), "it cannot be read"),
            (
                lambda path: request(
                    path.with_suffix(".json"), [{**_tensor("x", [1]), "name": 5}], []
                ),
                "found 5, expected a name",
            ),
            (
                lambda path: path.with_suffix(".json").write_text("[" * 100_000),
                "it cannot be read",
            ),
        ],
    )
    def test_one_that_cannot_be_used_is_a_doubt(
        self, write: Callable[[Path], Any], found: str, tmp_path: Path
    ) -> None:
        """It says nothing of the model, and its owner meant it to."""
        (tmp_path / "m/golden").mkdir(parents=True)
        write(tmp_path / "m/golden/a.npz")
        done = run(tmp_path, relu())
        assert told(done) == [("RUN-6", "doubts", "the sample")]
        assert found in done.points[0].found

    @pytest.mark.parametrize("said", ['{"y": {"rtol": -1}}', '{"y": 1}', "[]", '{"y": {"tol": 1}}'])
    def test_tolerances_that_are_none_are_a_doubt(self, said: str, tmp_path: Path) -> None:
        npz(tmp_path / "m/golden/a.npz", {"input:x": _X, "output:y": _Y})
        (tmp_path / "m/golden/tolerances.json").write_text(said)
        done = run(tmp_path, relu())
        assert told(done) == [("RUN-6", "doubts", "the sample")]
        assert "tolerances.json" in done.points[0].found

    @pytest.mark.parametrize(
        ("dtype", "datatype", "data", "is_same"),
        [
            ("FLOAT16", "FP16", [0.5, 1, 2, 3], True),
            ("BFLOAT16", "BF16", [0.5, 1, 2, 3], True),
            ("INT64", "INT64", [2**60, 1, 2, 3], True),
            ("BOOL", "BOOL", [True, False, True, True], True),
            ("STRING", "BYTES", ["a", "é", "", "b"], True),
            ("INT64", "INT64", [2**60 + 1, 1, 2, 3], False),
            ("STRING", "BYTES", ["a", "e", "", "b"], False),
            ("BOOL", "BOOL", [True, True, True, True], False),
        ],
    )
    def test_samples_of_each_type_are_compared(
        self, dtype: str, datatype: str, data: Sequence[Any], is_same: bool, tmp_path: Path
    ) -> None:
        """Whole numbers, texts and booleans exactly, also where a float would not tell."""
        number = TensorProto.DataType.Value(dtype)
        given = {"INT64": [2**60, 1, 2, 3], "BOOL": [True, False, True, True]}.get(dtype, data)
        given = ["a", "é", "", "b"] if dtype == "STRING" else given
        steps = [node("Cast", "x", "z", to=TensorProto.FLOAT), node("Cast", "z", "y", to=number)]
        passed = model(
            *(steps if dtype == "BFLOAT16" else [node("Identity", "x", "y")]),
            inputs=[value("x", number)],
            outputs=[value("y", number)],
        )
        request(
            tmp_path / "m/golden/a.json",
            [_tensor("x", given, datatype)],
            [_tensor("y", data, datatype)],
        )
        found = [each.rule for each in run(tmp_path, passed).points]
        assert found == ([] if is_same else ["RUN-5"])

    def test_texts_of_numpys_own_types_are_taken(self, tmp_path: Path) -> None:
        """Not objects, which would be a pickle."""
        text = TensorProto.STRING
        passed = model(
            node("Identity", "x", "y"), inputs=[value("x", text)], outputs=[value("y", text)]
        )
        for name, array in (
            ("a", np.array([["a", "é", "", "b"]])),
            ("b", np.char.encode(np.array([["a", "é", "", "b"]]), "utf-8")),
        ):
            npz(tmp_path / f"m/golden/{name}.npz", {"input:x": array, "output:y": array})
        assert run(tmp_path, passed).points == []

    def test_nan_is_expected_where_a_sample_has_it(self, tmp_path: Path) -> None:
        nothing = np.full((1, 4), np.nan, np.float32)
        made_nan = model(node("Sub", "x x", "z"), node("Div", "z z", "y"))
        npz(tmp_path / "m/golden/a.npz", {"input:x": _X, "output:y": nothing})
        assert "RUN-5" not in [each.rule for each in run(tmp_path, made_nan).points]
        npz(tmp_path / "m/golden/a.npz", {"input:x": _X, "output:y": _Y})
        assert ("RUN-5", "blocks", "output 'y'") in told(run(tmp_path, made_nan))


class TestPrevious:
    def test_one_that_answers_alike_is_no_point(self, tmp_path: Path) -> None:
        """And a run more for each."""
        save(relu(), tmp_path / "before.onnx")
        done = run(tmp_path / "now", relu(), previous=tmp_path / "before.onnx")
        assert done.points == []
        assert [each.name for each in done.runs][2:] == [
            "made, axes 1, by the previous version",
            "made, axes 2, by the previous version",
        ]
        assert [dict(each.differences) for each in done.runs][2:] == [{"y": 0.0}] * 2

    @pytest.mark.parametrize(
        "before",
        [
            model(node("Neg", "x", "y")),
            model(node("Neg", "x", "z"), outputs=[value("z")]),
            model(node("Neg", "z", "y"), inputs=[value("z")]),
            model(node("Odd", "x", "y", domain="acme"), opsets={"": 17, "acme": 1}),
            model(
                node("Cast", "x", "y", to=TensorProto.DOUBLE),
                outputs=[value("y", TensorProto.DOUBLE)],
            ),
        ],
        ids=["values", "output", "input", "unloaded", "dtype"],
    )
    def test_what_differs_is_a_remark(self, before: onnx.ModelProto, tmp_path: Path) -> None:
        """Whatever it is: it is another version."""
        save(before, tmp_path / "before.onnx")
        done = run(tmp_path / "now", relu(), previous=tmp_path / "before.onnx")
        assert {(each.rule, each.weight) for each in done.points} == {("RUN-7", Weight.REMARK)}
        assert len(done.points) == 1


@pytest.mark.parametrize("number", [0.0, 1.0, -2.5, 3.140625, np.inf, 65280.0])
def test_bfloat16_comes_back(number: float) -> None:
    """From bits and to bits, for what it can hold."""
    bits: Array = from_float(np.array([number]), "BFLOAT16")
    assert bits.dtype == np.uint16
    assert as_float(bits, "BFLOAT16")[0] == number
    assert as_float(from_float(np.array([np.nan]), "BFLOAT16"), "BFLOAT16")[0] != number
