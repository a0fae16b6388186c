"""The text of a config: its syntax, fields and enums, and which backend it names."""

from __future__ import annotations

from registry.testing.triton_pairs import Pair, single
from registry.testing.triton_pairs.making import CPU, X, Y, config, relu


def _refused(name: str, text: str | bytes, core: str) -> Pair:
    return single(name, text, relu(), core=core)


SYNTAX: tuple[Pair, ...] = (
    single("syntax_comments", "# A model\n" + config("# the end"), relu()),
    single("syntax_windows_lines", config().replace("\n", "\r\n"), relu()),
    single("syntax_separators", config().replace(" data_type", "; data_type"), relu()),
    single("syntax_single_quotes", config().replace('"', "'"), relu()),
    single("syntax_braces_with_colon", config().replace("input [{", "input: [{"), relu()),
    single(
        "syntax_angle_brackets",
        config().replace("{ count: 1 kind: KIND_CPU }", "< count: 1 kind: KIND_CPU >"),
        relu(),
    ),
    single("syntax_enum_by_number", config().replace("TYPE_FP32", "11"), relu()),
    _refused("syntax_unclosed", config().removesuffix("}]"), r"\d+:\d+: Expected"),
    _refused("syntax_trailing", config("}"), r"\d+:\d+: Expected identifier"),
    _refused("syntax_no_quotes", config().replace('"x"', "x"), r"\d+:\d+: Expected string"),
    _refused("syntax_byte_order_mark", b"\xef\xbb\xbf" + config().encode(), r"1:1: "),
    _refused("syntax_utf16", config().encode("utf-16"), r"1:1: "),
    _refused("syntax_json", '{ "max_batch_size": 8 }', r"1:1: Expected identifier"),
    _refused("field_unknown", config("max_batchsize: 4"), r'has no field named "max_batchsize"'),
    _refused(
        "field_unknown_below",
        config(x=X.replace("dims", "shape")),
        r'"inference.ModelInput" has no field named "shape"',
    ),
    _refused(
        "field_of_a_newer_release",
        config("ensemble_scheduling { max_inflight_requests: 2 }"),
        'no field named "max_inflight_requests"',
    ),
    _refused(
        "field_of_a_newer_server",
        config("model_metrics { metric_control [{ }] }"),
        'has no field named "model_metrics"',
    ),
    _refused(
        "field_twice", config("max_batch_size: 4"), "max_batch_size.* is specified multiple times"
    ),
    _refused(
        "field_list_for_one",
        config().replace("max_batch_size: 8", "max_batch_size: [ 8 ]"),
        "Expected integer",
    ),
    _refused("field_text_for_number", config().replace("size: 8", 'size: "8"'), "Expected integer"),
    _refused("field_number_for_text", config().replace('"onnxruntime"', "7"), "Expected string"),
    _refused("field_fraction", config().replace("size: 8", "size: 8.5"), "Expected integer"),
    _refused("field_out_of_range", config().replace("size: 8", "size: 2147483648"), "out of range"),
    _refused(
        "enum_unknown",
        config(x=X.replace("TYPE_FP32", "TYPE_FLOAT")),
        'Unknown enumeration value of "TYPE_FLOAT"',
    ),
    _refused(
        "enum_lower_case",
        config(x=X.replace("TYPE_FP32", "type_fp32")),
        "Unknown enumeration value",
    ),
    _refused(
        "enum_in_quotes",
        config(x=X.replace("TYPE_FP32", '"TYPE_FP32"')),
        "Expected integer or identifier",
    ),
    _refused(
        "choice_of_two_schedulers",
        config("dynamic_batching { }", "sequence_batching { }"),
        "is specified along with field",
    ),
    _refused("batch_negative", config(batch=-1), "'max_batch_size' must be non-negative value"),
    single(
        "platform_onnxruntime_onnx",
        f'platform: "onnxruntime_onnx" max_batch_size: 8 {X} {Y} {CPU}',
        relu(),
    ),
    single("platform_and_backend", config('platform: "onnxruntime_onnx"'), relu()),
    single("platform_none", f"max_batch_size: 8 {X} {Y} {CPU}", relu()),
    _refused(
        "platform_unknown",
        f'platform: "onnx" max_batch_size: 8 {X} {Y} {CPU}',
        "unexpected platform type 'onnx'",
    ),
    _refused(
        "platform_of_another_backend",
        config('platform: "tensorrt_plan"'),
        "unexpected 'platform' and 'backend' pair",
    ),
    _refused(
        "backend_unknown",
        config().replace('"onnxruntime"', '"onnx"'),
        "unable to find backend library for backend 'onnx'",
    ),
    _refused(
        "backend_upper_case",
        config().replace('"onnxruntime"', '"ONNXRuntime"'),
        "unable to find backend library",
    ),
    single(
        "runtime_unknown",
        config('runtime: "libnone.so"'),
        relu(),
        core="unable to find backend library 'libnone.so'",
    ),
)
