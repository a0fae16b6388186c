"""What each ONNX Runtime knows: by the tables, and by the one that is installed here."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import pytest

from registry.serving.releases import shipped_releases
from registry.serving.runtimes import (
    CPU,
    CUDA,
    PROVIDERS,
    Kernel,
    Runtime,
    UnknownRuntimeError,
    runtime,
    runtimes,
)

PROBE = Path(__file__).parents[2] / ".ci" / "triton_probe.py"
TABLES = Path(__file__).parents[2] / "registry" / "serving" / "runtimes"
#: Of every file together: they come with the wheel.
TABLES_BYTES_MAX = 2_000_000
OPSETS = range(1, 31)


def test_every_release_has_a_table() -> None:
    """Run `make triton-tables` after a new row."""
    for each in shipped_releases().values():
        mine = runtime(each.onnxruntime)
        assert mine.knows("", "Relu", mine.opset_max[""])
        assert all(mine.kernel(provider, "", "Relu", 14) for provider in PROVIDERS)


def test_the_installed_one_has_a_table() -> None:
    """It runs models here. Run `make triton-tables` after `make lock`."""
    assert installed("onnxruntime") in runtimes()


def test_limits_only_grow() -> None:
    """A newer version loads whatever an older one does."""
    every = [runtime(each) for each in runtimes()]
    for older, newer in itertools.pairwise(every):
        assert older.ir_version_max <= newer.ir_version_max
        for domain in ("", "ai.onnx.ml", "com.microsoft"):
            assert older.opset_max[domain] <= newer.opset_max[domain]


def test_limits() -> None:
    """IR and opsets as the ONNX release that each version is built with has them."""
    # onnx.helper.VERSION_TABLE: 1.15 has 9, 20 and 4; 1.16 has 10, 21 and 5; 1.17 has 10, 22 and 5;
    # 1.18 has 11, 23 and 5.
    told = {
        version: (mine.ir_version_max, mine.opset_max[""], mine.opset_max["ai.onnx.ml"])
        for version in ("1.17.3", "1.18.1", "1.22.0", "1.23.1")
        for mine in [runtime(version)]
    }
    assert told == {
        "1.17.3": (9, 20, 4),
        "1.18.1": (10, 21, 5),
        "1.22.0": (10, 22, 5),
        "1.23.1": (11, 23, 5),
    }


def test_operators_that_came_and_went() -> None:
    """As docs/Changelog.md of ONNX tells it."""
    old, new = runtime("1.22.0"), runtime("1.23.0")
    assert new.knows("", "RMSNormalization", 23)
    assert not old.knows("", "RMSNormalization", 23)
    assert not new.knows("", "RMSNormalization", 22)
    assert new.knows("", "Upsample", 9)
    assert not new.knows("", "Upsample", 10), "deprecated by opset 10"
    assert new.knows("ai.onnx", "Relu", 13), "the main domain by its long name"
    assert new.knows("com.microsoft", "FastGelu", 1)
    assert not new.knows("", "FastGelu", 13)
    assert new.since("", "Relu", 13) == 13
    assert new.since("", "Relu", 20) == 14
    assert new.since("", "NoSuchOperator", 20) is None


def test_kernels() -> None:
    """By provider, for the schema that counts at the opset."""
    mine = runtime("1.23.1")
    relu = mine.kernel(CPU, "", "Relu", 20)
    assert relu is not None
    assert {"T": ("tensor(float)",)} in relu
    assert {"T": ("tensor(float16)",)} not in relu
    # docs/OperatorKernels.md of microsoft/onnxruntime, under CUDAExecutionProvider.
    assert mine.kernel(CUDA, "", "MatMulInteger", 10) == (
        {"T1": ("tensor(int8)",), "T2": ("tensor(int8)",), "T3": ("tensor(int32)",)},
    )
    gemm = mine.kernel(CUDA, "", "Gemm", 13)
    assert gemm is not None
    assert {kind for each in gemm for kind in each["T"]} == {
        *("tensor(bfloat16)", "tensor(double)", "tensor(float)", "tensor(float16)")
    }
    assert mine.kernel(CPU, "", "Unique", 11) is not None
    assert mine.kernel(CUDA, "", "Unique", 11) is None
    assert mine.kernel(CPU, "", "NoSuchOperator", 11) is None
    with pytest.raises(KeyError):
        mine.kernel("TensorrtExecutionProvider", "", "Relu", 13)


def test_a_kernel_without_an_end_is_for_its_start() -> None:
    """A later schema may ask for more than it does."""
    assert Kernel(start=13, end=None, types={}).fits(13)
    assert not Kernel(start=13, end=None, types={}).fits(14)
    assert Kernel(start=13, end=15, types={}).fits(14)
    assert not Kernel(start=13, end=15, types={}).fits(16)


def test_what_loads_without_a_kernel() -> None:
    """The body of its function stands in for it, as long as kernels are there for that."""
    mine = runtime(installed("onnxruntime"))
    for op_type, opset in (("CastLike", 19), ("Constant", 13), ("HardSwish", 14), ("Swish", 24)):
        assert mine.kernel(CPU, "", op_type, opset) is None
        assert mine.inlines("", op_type, opset)
    assert mine.inlines("", "Swish", 25) is False
    assert mine.inlines("", "ImageDecoder", 20) is False
    assert mine.inlines("com.microsoft", "EPContext", 1) is None


def test_a_build_between_two_versions() -> None:
    """Triton 25.08 has one: it is told by another's tables, and says so."""
    mine = runtime(shipped_releases()["25.08"].onnxruntime)
    assert (mine.version, mine.measured) == ("1.23.0+1d1712fdaf", "1.23.0")
    assert runtime("1.23.0").measured == "1.23.0"


def test_an_unknown_version() -> None:
    """What is known, and how to make it known."""
    with pytest.raises(
        UnknownRuntimeError, match=r"found version 1\.16\.0, .*1\.17\.3, .*make tri"
    ):
        runtime("1.16.0")
    with pytest.raises(UnknownRuntimeError, match=r"found version 1\.23\.0\+other"):
        runtime("1.23.0+other")


def test_tables_are_small_and_in_order() -> None:
    """So that a change of them can be read."""
    tables = sorted(TABLES.iterdir())
    assert [each.name for each in tables] == [
        *(f"{provider}.json" for provider in PROVIDERS),
        *("inlined.json", "limits.json", "schemas.json"),
    ]
    assert sum(each.stat().st_size for each in tables) < TABLES_BYTES_MAX
    for provider in PROVIDERS:
        table = json.loads((TABLES / f"{provider}.json").read_text(encoding="utf-8"))
        assert list(table["types"]) == sorted(table["types"])
        for operators in table["kernels"].values():
            assert list(operators) == sorted(operators)
    assert runtimes()[0] == "1.17.3"


def test_spans_are_of_measured_versions() -> None:
    """Each begins and ends with one."""
    versions = json.loads((TABLES / "limits.json").read_text(encoding="utf-8"))["versions"]
    texts = "".join(each.read_text(encoding="utf-8") for each in TABLES.iterdir())
    spans = set(re.findall(r'"([0-9]+\.[0-9]+\.[0-9]+-[-0-9. ]*)"', texts))
    assert "1.17.3-" in spans
    assert {end for span in spans for end in re.split("[- ]", span)} <= {*versions, ""}


# --- Against the one that is installed ------------------------------------------------------------


@pytest.fixture(scope="module")
def probed() -> Any:
    done = subprocess.run([sys.executable, PROBE], check=True, capture_output=True)
    return json.loads(done.stdout)


@pytest.fixture
def mine(probed: Any) -> Runtime:
    return runtime(probed["version"])


@pytest.mark.slow
def test_limits_agree_with_the_installed_one(probed: Any, mine: Runtime) -> None:
    """It loads models of that IR version and those opsets, and refuses them one above."""
    assert mine.ir_version_max == probed["ir_version_max"]
    assert mine.opset_max == probed["opset_max"]


@pytest.mark.slow
def test_schemas_agree_with_the_installed_one(probed: Any, mine: Runtime) -> None:
    """Of every operator at every opset."""
    schemas: dict[tuple[str, str], dict[int, bool]] = {}
    for domain, op_type, since, is_deprecated in probed["schemas"]:
        schemas.setdefault((domain, op_type), {})[since] = is_deprecated
    for (domain, op_type), begins in schemas.items():
        for opset in OPSETS:
            counts = max((each for each in begins if each <= opset), default=None)
            assert mine.since(domain, op_type, opset) == counts
            assert mine.knows(domain, op_type, opset) == (
                counts is not None and not begins[counts]
            ), (domain, op_type, opset)


@pytest.mark.slow
def test_cpu_kernels_agree_with_the_installed_one(probed: Any, mine: Runtime) -> None:
    """Each row that it lists is there at its start, and no operator has one more."""
    rows: dict[tuple[str, str], list[Any]] = {}
    for provider, domain, op_type, start, end, types in probed["kernels"]:
        assert provider == CPU
        rows.setdefault((domain, op_type), []).append((start, end, types))
    for (domain, op_type), each in rows.items():
        for opset in OPSETS:
            since = mine.since(domain, op_type, opset)
            if since is not None:
                fitting = [t for s, e, t in each if Kernel(start=s, end=e, types={}).fits(since)]
                found = mine.kernel(CPU, domain, op_type, opset) or ()
                assert _plain(found) == _plain(fitting), (domain, op_type, opset)


def _plain(rows: Any) -> list[str]:
    return sorted(json.dumps(dict(row), sort_keys=True) for row in rows)


@pytest.mark.slow
def test_inlining_agrees_with_the_installed_one(probed: Any, mine: Runtime) -> None:
    """Of each operator that has no kernel, at each opset."""
    assert len(probed["inlined"]) > 100
    for domain, op_type, opset, answer in probed["inlined"]:
        assert mine.inlines(domain, op_type, opset) is answer, (domain, op_type, opset)
        assert mine.kernel(CPU, domain, op_type, opset) is None
