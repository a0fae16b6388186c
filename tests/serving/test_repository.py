"""Which models a version's files hold, and their files as Triton would find them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.readiness import Weight
from registry.serving.repository import AUTOFILL, RULES, Layout, Place, places


def look(*paths: str) -> tuple[list[Place], list[tuple[str, Weight]]]:
    found, points = places(dict.fromkeys(paths, 9), "scorer")
    return found, [(point.rule, point.weight) for point in points]


def test_a_model_file_alone_becomes_version_1() -> None:
    (place,), points = look("model.onnx", "model.onnx.data", "README.md", "labels.txt")
    assert points == []
    assert (place.name, place.folder, place.layout) == ("scorer", "", Layout.FLAT)
    assert place.config_path == ""
    assert place.versions == (1,)
    assert place.files["1/model.onnx"] == "model.onnx"
    assert place.files["1/model.onnx.data"] == "model.onnx.data"
    assert place.files["labels.txt"] == "labels.txt"
    assert place.inside(1)["model.onnx.data"] == 9
    assert place.autofilled() == ("onnxruntime", "onnxruntime_onnx", "model.onnx")


def test_a_flat_version_may_have_a_configuration_and_other_names() -> None:
    (place,), points = look("net.onnx", "other.onnx", "config.pbtxt", "warmup/tokens")
    assert points == []
    assert place.config_path == "config.pbtxt"
    assert set(place.files) == {
        *("1/net.onnx", "1/other.onnx", "config.pbtxt"),
        *("1/warmup/tokens", "warmup/tokens"),
    }


def test_one_model_with_its_versions() -> None:
    (place,), points = look("config.pbtxt", "1/model.plan", "3/model.plan", "labels.txt")
    assert points == []
    assert (place.name, place.layout, place.versions) == ("scorer", Layout.MODEL, (1, 3))
    assert place.files["3/model.plan"] == "3/model.plan"


def test_versions_without_a_configuration_are_a_model_too() -> None:
    (place,), points = look("1/model.onnx", "1/model.onnx.data")
    assert points == []
    assert (place.layout, place.config_path) == (Layout.MODEL, "")


def test_a_repository_has_models_by_their_folders() -> None:
    found, points = look(
        *("README.md", "models/encoder/1/model.onnx", "models/encoder/config.pbtxt"),
        *("models/tokenizer/1/model.py", "models/tokenizer/config.pbtxt"),
        "models/ensemble/config.pbtxt",
    )
    assert points == []
    assert [(each.name, each.folder, each.versions) for each in found] == [
        ("encoder", "models/encoder", (1,)),
        ("ensemble", "models/ensemble", ()),
        ("tokenizer", "models/tokenizer", (1,)),
    ]
    assert {each.layout for each in found} == {Layout.REPOSITORY}
    assert found[0].files == {
        "1/model.onnx": "models/encoder/1/model.onnx",
        "config.pbtxt": "models/encoder/config.pbtxt",
    }


@pytest.mark.parametrize("config", [(), ("onnx/config.pbtxt",)])
def test_an_export_of_hugging_face_lies_in_onnx(config: tuple[str, ...]) -> None:
    (place,), points = look("config.json", "onnx/model.onnx", "onnx/model.onnx_data", *config)
    assert points == []
    assert (place.name, place.folder, place.layout) == ("scorer", "onnx", Layout.EXPORT)
    assert place.files["1/model.onnx_data"] == "onnx/model.onnx_data"
    assert place.config_path == "".join(config)


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["README.md", "train.csv"], ("REPO-1", Weight.BLOCKS)),
        ([], ("REPO-1", Weight.BLOCKS)),
        (["a.onnx", "b.onnx"], ("REPO-2", Weight.DOUBTS)),
        (["model.onnx", "model.pt"], ("REPO-2", Weight.DOUBTS)),
        (["onnx/encoder.onnx", "onnx/decoder.onnx"], ("REPO-2", Weight.DOUBTS)),
        (["model.onnx", "model_fp16.onnx"], ("REPO-2", Weight.REMARK)),
        (["config.pbtxt", "1/model.onnx", "007/model.onnx"], ("REPO-3", Weight.REMARK)),
        (["config.pbtxt", "1/model.onnx", "2.old/model.onnx"], ("REPO-3", Weight.REMARK)),
        (["config.pbtxt", "1/model.onnx", "v2/model.onnx"], ("REPO-3", Weight.REMARK)),
        (
            ["a/net/config.pbtxt", "a/net/1/model.pt", "b/net/1/model.onnx"],
            ("REPO-4", Weight.BLOCKS),
        ),
        (["net/config.pbtxt", "net/model.onnx"], ("REPO-5", Weight.REMARK)),
    ],
)
def test_each_rule_finds_what_is_wrong(paths: list[str], said: tuple[str, Weight]) -> None:
    assert look(*paths)[1] == [said]


def test_each_rule_is_tried_above() -> None:
    tried = test_each_rule_finds_what_is_wrong.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {said[0] for _, said in tried} == {rule.id for rule in RULES}


def test_numbers_that_triton_reads_from_odd_names_are_told() -> None:
    (place,), _ = look("config.pbtxt", "1/model.pt", "2.old/x", "1.bak/x", "003/x", "v4/x", "-1/x")
    assert (place.versions, place.claimed) == ((1,), (-1, 2))


def test_several_candidates_are_named() -> None:
    _, points = places(dict.fromkeys([f"{name}.onnx" for name in "abcdefg"], 1), "scorer")
    assert points[0].found == (
        "7 files that may be the model: 'a.onnx', 'b.onnx', 'c.onnx', 'd.onnx', 'e.onnx' and 2 more"
    )


def test_pieces_of_one_model_are_no_candidates() -> None:
    for paths in (
        ["rank0.engine", "rank1.engine", "config.json"],
        ["net-00001-of-00002.gguf", "net-00002-of-00002.gguf"],
        ["model-00001-of-00002.safetensors", "adapter.safetensors"],
        ["model.py", "weights.pt", "vocab.onnx"],
    ):
        (place,), points = look(*paths)
        assert points == []
        assert place.layout is Layout.FLAT


@pytest.mark.parametrize(
    ("paths", "backend"),
    [
        (["1/model.savedmodel/saved_model.pb", "config.pbtxt"], "tensorflow"),
        (["1/model.savedmodel", "config.pbtxt"], ""),
        (["1/model.onnx/model.onnx", "config.pbtxt"], "onnxruntime"),
        (["1/model.plan/x", "config.pbtxt"], ""),
        (["10/model.onnx", "2/model.plan", "config.pbtxt"], "onnxruntime"),
        (["1/model.plan", "1/model.onnx"], "tensorrt"),
        (["1/net.onnx", "config.pbtxt"], ""),
        # The first folder by its name is looked at, whatever it is.
        ([".git/HEAD", "3/model.onnx", "config.pbtxt"], ""),
        (["01/model.plan", "1/model.onnx", "config.pbtxt"], "tensorrt"),
    ],
)
def test_backends_are_filled_in_as_by_the_server(paths: list[str], backend: str) -> None:
    (place,), _ = look(*paths)
    assert place.autofilled()[0] == backend


@pytest.mark.parametrize(
    ("paths", "main"),
    [
        (["model.onnx", "other.onnx"], ("onnxruntime", "model.onnx")),
        (["net.onnx", "net.onnx.data"], ("onnxruntime", "net.onnx")),
        (["config.pbtxt", "3/Net.PLAN"], ("tensorrt", "Net.PLAN")),
        (["net.gguf"], ("", "net.gguf")),
        (["a.onnx", "b.onnx"], ("", "")),
        (["models/ensemble/config.pbtxt"], ("", "")),
    ],
)
def test_the_file_of_the_model(paths: list[str], main: tuple[str, str]) -> None:
    (place,), _ = look(*paths)
    assert place.main() == main


_NAMES = st.sampled_from(
    ["1", "2", "01", "v1", "1.x", "net", "onnx", "warmup", "config.pbtxt", "x.txt", *AUTOFILL]
)


@given(st.sets(st.lists(_NAMES, min_size=1, max_size=4).map("/".join), max_size=8))
def test_files_of_places_are_files_of_the_version(paths: set[str]) -> None:
    """Whatever the layout, each way leads to a file, models are told of or why there are none."""
    found, points = places(dict.fromkeys(paths, 3), "scorer")
    assert found or [each.rule for each in points] == ["REPO-1"]
    for place in found:
        assert set(place.files.values()) <= paths
        assert set(place.sizes) == set(place.files)
        assert not place.config_path or place.files["config.pbtxt"] == place.config_path
