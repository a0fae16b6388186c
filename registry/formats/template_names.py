"""What chat templates may use of Jinja: lists of what the well-known model families need."""

from __future__ import annotations

import re

#: Of Jinja itself, and of what transformers adds (`utils/chat_template_utils.py`).
FUNCTIONS = frozenset({"raise_exception", "strftime_now", "namespace", "range", "dict"})
METHODS = frozenset(
    [
        "append",
        "capitalize",
        "count",
        "endswith",
        "find",
        "get",
        "index",
        "isalnum",
        "isalpha",
        "isdigit",
        "isspace",
        "items",
        "join",
        "keys",
        "lower",
        "lstrip",
        "pop",
        "removeprefix",
        "removesuffix",
        "replace",
        "rfind",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "title",
        "upper",
        "values",
    ]
)
FILTERS = frozenset(
    [
        "abs",
        "batch",
        "capitalize",
        "count",
        "d",
        "default",
        "dictsort",
        "e",
        "escape",
        "first",
        "float",
        "format",
        "from_json",
        "groupby",
        "indent",
        "int",
        "items",
        "join",
        "last",
        "length",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "reject",
        "rejectattr",
        "replace",
        "reverse",
        "round",
        "safe",
        "select",
        "selectattr",
        "slice",
        "sort",
        "string",
        "sum",
        "title",
        "tojson",
        "trim",
        "truncate",
        "unique",
        "upper",
        "wordcount",
    ]
)
TESTS = frozenset(
    [
        "!=",
        "<",
        "<=",
        "==",
        ">",
        ">=",
        "boolean",
        "callable",
        "defined",
        "divisibleby",
        "eq",
        "equalto",
        "escaped",
        "even",
        "false",
        "float",
        "ge",
        "greaterthan",
        "gt",
        "in",
        "integer",
        "iterable",
        "le",
        "lessthan",
        "lower",
        "lt",
        "mapping",
        "ne",
        "none",
        "number",
        "odd",
        "sameas",
        "sequence",
        "string",
        "true",
        "undefined",
        "upper",
    ]
)
#: At which place a filter takes the name of an attribute; by keyword each takes `attribute`.
ATTRIBUTE_AT = {
    "groupby": 0,
    "sum": 0,
    "selectattr": 0,
    "rejectattr": 0,
    "join": 1,
    "unique": 1,
    "max": 1,
    "min": 1,
    "sort": 2,
}
#: At which place a filter takes the name of a test.
TEST_AT = {"select": 0, "reject": 0, "selectattr": 1, "rejectattr": 1}
#: Filters and methods that pass on what they are given, as it is.
_KEEPING_FILTERS = frozenset(
    [
        "abs",
        "count",
        "d",
        "default",
        "dictsort",
        "float",
        "int",
        "items",
        "length",
        "list",
        "reject",
        "rejectattr",
        "reverse",
        "round",
        "select",
        "selectattr",
        "slice",
        "sort",
        "unique",
    ]
)
PASSING_METHODS = frozenset(["count", "find", "get", "index", "items", "keys", "pop", "values"])
#: Those that make texts of it which have parts of it, or their letters in another case.
CHANGING_FILTERS = frozenset(
    ["capitalize", "first", "last", "lower", "max", "min", "title", "trim", "upper"]
)
CHANGING_METHODS = frozenset(
    [
        "capitalize",
        "lower",
        "lstrip",
        "removeprefix",
        "removesuffix",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "strip",
        "title",
        "upper",
    ]
)
PASSING_FILTERS = _KEEPING_FILTERS | CHANGING_FILTERS
#: What makes whole numbers and nothing else.
COUNTING_FILTERS = frozenset({"count", "int", "length", "wordcount"})
COUNTING_METHODS = frozenset({"count", "find", "index", "rfind"})
LOOP_NUMBERS = frozenset({"index", "index0", "revindex", "revindex0", "length", "depth", "depth0"})
#: Objects of Jinja, Flask and Python behind which there is more than data.
HIDDEN_VARIABLES = frozenset(
    [
        "config",
        "cycler",
        "g",
        "get_flashed_messages",
        "gettext",
        "joiner",
        "lipsum",
        "ngettext",
        "request",
        "self",
        "session",
        "super",
        "url_for",
    ]
)
#: Attributes that lead from plain values to frames, code and globals, though they have no
#: underscore in front (CPython's data model, "Internal types").
_INNER = re.compile(r"(ag|co|cr|f|func|gi|im|tb)_[a-z]+|mro|format_map")
#: Of a literal text: what may become the name of something hidden once it is cut.
HIDDEN_PART = re.compile(r"_|mro", re.IGNORECASE)
#: Texts that the model's author chooses, in `tokenizer_config.json`.
TOKENS = frozenset(
    f"{name}_token" for name in ("bos", "eos", "unk", "pad", "sep", "cls", "mask", "image", "audio")
) | {"additional_special_tokens"}
#: Braces of `format` without attributes or items.
PLAIN_FORMAT = re.compile(r"(?:[^{}]|\{\{|\}\}|\{[A-Za-z0-9]*(?::[^{}]*)?\})*")


def is_hidden(name: str) -> bool:
    """Whether it names what a template must not reach; of `a.b`, either part."""
    return any(part.startswith("_") or _INNER.fullmatch(part) for part in name.split("."))
