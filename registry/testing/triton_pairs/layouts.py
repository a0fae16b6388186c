"""Folders, versions and names."""

from __future__ import annotations

from registry.testing.triton_pairs import Pair, single
from registry.testing.triton_pairs.making import config, relu

_FIND = "src/onnxruntime.cc ModelState::LoadModel"
_NO_VERSION = "at least one version must be available under the version policy"
_NO_BACKEND = "Could not determine backend for model"
_TWO = {"1/model.onnx": relu(), "3/model.onnx": relu()}

LAYOUTS: tuple[Pair, ...] = (
    single("layout_plain", config(), relu()),
    single("layout_without_config", None, relu()),
    single("layout_empty_config", "", relu()),
    single("layout_without_version", config(), None, core=_NO_VERSION),
    single(
        "layout_version_v1",
        config(),
        None,
        more={"v1/model.onnx": relu()},
        core=_NO_VERSION,
    ),
    single("layout_version_zero", config(), None, more={"0/model.onnx": relu()}),
    single(
        "layout_version_01",
        config(),
        None,
        more={"01/model.onnx": relu()},
        core=_NO_VERSION,
    ),
    single(
        "layout_version_is_a_file",
        config(),
        None,
        more={"1": relu()},
        core=_NO_VERSION,
    ),
    single(
        "layout_version_negative",
        config(),
        None,
        more={"-1/model.onnx": relu()},
        # Read as a number with a sign, looked for as one without.
        backend="unable to find '.*/18446744073709551615/model.onnx' for model instance",
        source=_FIND,
    ),
    single(
        "layout_empty_version",
        config(),
        None,
        more={"1/": b""},
        backend="unable to find '.*/1/model.onnx' for model instance",
        source=_FIND,
    ),
    single(
        "layout_empty_version_without_config",
        None,
        None,
        more={"1/": b""},
        core=_NO_BACKEND,
    ),
    single(
        "layout_other_file",
        config(),
        None,
        more={"1/net.onnx": relu()},
        backend="unable to find '.*/1/model.onnx' for model instance",
        source=_FIND,
    ),
    single(
        "layout_other_file_without_config",
        None,
        None,
        more={"1/net.onnx": relu()},
        core=_NO_BACKEND,
    ),
    single(
        "layout_named_file",
        config('default_model_filename: "net.onnx"'),
        None,
        more={"1/net.onnx": relu()},
    ),
    single(
        "layout_named_file_alone",
        'default_model_filename: "net.onnx"',
        None,
        more={"1/net.onnx": relu()},
        core="unexpected platform type ''",
    ),
    single(
        "layout_named_file_missing",
        config('default_model_filename: "net.onnx"'),
        relu(),
        backend="unable to find '.*/1/net.onnx' for model instance",
        source=_FIND,
    ),
    single(
        "layout_named_file_below",
        config('default_model_filename: "sub/net.onnx"'),
        None,
        more={"1/sub/net.onnx": relu()},
    ),
    single(
        "layout_named_file_outside",
        config('default_model_filename: "../net.onnx"'),
        None,
        more={"net.onnx": relu(), "1/": b""},
    ),
    single("layout_folder_as_file", config(), None, more={"1/model.onnx/model.onnx": relu()}),
    single(
        "layout_stray_files",
        config(),
        relu(),
        more={"README.md": b"# A model", "1/notes.txt": b"", ".git/HEAD": b"ref: refs/heads/main"},
    ),
    single("layout_two_versions", config(), None, more=_TWO),
    single("policy_all", config("version_policy { all { } }"), None, more=_TWO),
    single(
        "policy_latest", config("version_policy { latest { num_versions: 2 } }"), None, more=_TWO
    ),
    single(
        "policy_latest_none",
        config("version_policy { latest { num_versions: 0 } }"),
        None,
        more=_TWO,
        core=_NO_VERSION,
    ),
    single(
        "policy_specific",
        config("version_policy { specific { versions: [ 3 ] } }"),
        None,
        more=_TWO,
    ),
    single(
        "policy_specific_missing",
        config("version_policy { specific { versions: [ 2 ] } }"),
        None,
        more=_TWO,
        core=_NO_VERSION,
    ),
    single(
        "policy_specific_one_missing",
        config("version_policy { specific { versions: [ 2, 3 ] } }"),
        None,
        more=_TWO,
    ),
    single(
        "policy_specific_none",
        config("version_policy { specific { } }"),
        None,
        more=_TWO,
        core=_NO_VERSION,
    ),
    single(
        "policy_two_choices",
        config("version_policy { all { } latest { num_versions: 1 } }"),
        None,
        more=_TWO,
        core='"latest" is specified along with field "all"',
    ),
    single(
        "policy_all_one_broken",
        config("version_policy { all { } }"),
        None,
        more={"1/model.onnx": relu(), "3/model.onnx": b"broken"},
        backend="version 3 is at UNAVAILABLE state: .*INVALID_PROTOBUF",
        source=_FIND,
    ),
    single(
        "policy_latest_the_other_broken",
        config(),
        None,
        more={"1/model.onnx": b"broken", "3/model.onnx": relu()},
    ),
    single("name_same", config('name: "name_same"'), relu()),
    single(
        "name_other",
        config('name: "other"'),
        relu(),
        core="unexpected directory name 'name_other' for model 'other'",
    ),
    single("name.dotted", config(), relu()),
    Pair(
        name="several_one_broken",
        files={
            "several_one_broken/1/model.onnx": relu(),
            "several_broken_other/1/model.onnx": b"broken",
            "several_broken_other/config.pbtxt": b"nonsense",
        },
    ),
)
