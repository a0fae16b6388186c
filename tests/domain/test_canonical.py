"""Canonical JSON: one value, one sequence of bytes, and back."""

from __future__ import annotations

import json
import math
from enum import IntEnum, StrEnum

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry.domain.canonical import (
    DEPTH_MAX,
    INTEGER_MAX,
    INTEGER_MIN,
    Json,
    canonical_json,
    load_canonical,
)
from registry.errors import InvalidFieldError

texts = st.text(st.characters(codec="utf-8"), max_size=10)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(INTEGER_MIN, INTEGER_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values: st.SearchStrategy[Json] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def spelled(value: Json) -> str:
    """The form as its description has it, written a second time without the encoder."""
    if isinstance(value, str):
        short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f"}
        short["\r"] = "\\r"
        escaped = (short.get(c) or (c if c >= " " else f"\\u{ord(c):04x}") for c in value)
        return f'"{"".join(escaped)}"'
    if isinstance(value, list):
        return f"[{','.join(map(spelled, value))}]"
    if isinstance(value, dict):
        keys = sorted(value, key=str.encode)
        return f"{{{','.join(f'{spelled(key)}:{spelled(value[key])}' for key in keys)}}}"
    words = {id(None): "null", id(True): "true", id(False): "false"}
    return words.get(id(value)) or repr(value)


@given(values)
@example({"\u2028": "\x7f", "\uffff": 1, "\U00010000": 2, "e\u0301": "\u00e9"})
@example([0.1, 1e16, 1e-7, -0.0, 1.0, 5e-324, 1.7976931348623157e308])
def test_the_form_is_as_described(value: Json) -> None:
    """The bytes are those of the written rules, strings unnormalised and keys in byte order."""
    assert canonical_json(value).decode() == spelled(value)


@given(values)
def test_what_is_written_is_read_back(value: Json) -> None:
    """`load_canonical(canonical_json(value)) == value`, types included."""
    data = canonical_json(value)
    assert load_canonical(data) == value
    assert repr(load_canonical(data)) == repr(json.loads(spelled(value)))


@given(st.binary(max_size=30) | values.map(lambda value: json.dumps(value).encode()))
@example(b'{"b":1,"a":2}')
@example(b'{"a":1,"a":1}')
@example(b"1.0")
@example(b"1.00")
def test_what_is_read_is_written_the_same(data: bytes) -> None:
    """`canonical_json(load_canonical(data)) == data` for all data that is accepted."""
    try:
        value = load_canonical(data)
    except InvalidFieldError:
        return
    assert canonical_json(value) == data


@given(st.dictionaries(texts, values), st.randoms(use_true_random=False))
@pytest.mark.slow
def test_the_order_of_insertion_does_not_matter(value: dict[str, Json], random: object) -> None:
    """Equal objects have equal bytes, whatever the order in which they were filled."""
    items = list(value.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert canonical_json(dict(items)) == canonical_json(value)


@given(values, values)
def test_different_values_have_different_bytes(first: Json, second: Json) -> None:
    """Two values share their bytes only if they are spelled alike: 1, 1.0 and true are three."""
    assert (canonical_json(first) == canonical_json(second)) is (spelled(first) == spelled(second))


def test_an_example_to_the_byte() -> None:
    """A fixed value has these bytes for ever, since digests and audit chains rest on them."""
    value = {"z": [1, 1.0, True, None], "a": {"\u00e9": 'q"\\\n\x01/'}, "A": -0.5, "n": (1e22,)}
    assert canonical_json(value) == (
        b'{"A":-0.5,"a":{"\xc3\xa9":"q\\"\\\\\\n\\u0001/"},"n":[1e+22],"z":[1,1.0,true,null]}'
    )


def nested(levels: int) -> Json:
    value: Json = 1
    for _ in range(levels):
        value = [value]
    return value


class Colour(IntEnum):
    RED = 3


@pytest.mark.parametrize("value", [INTEGER_MIN, INTEGER_MAX, nested(DEPTH_MAX), {}, [], ""])
def test_values_at_the_bounds_are_taken(value: Json) -> None:
    """64-bit numbers and 64 levels are within the bounds."""
    assert load_canonical(canonical_json(value)) == value


class Word(StrEnum):
    COLOUR = "colour"
    RED = "r\u00e9d"


def test_named_values_are_plain_values() -> None:
    """An enumeration's number is written as the number, its text as the text, keys too."""
    assert canonical_json({"colour": Colour.RED}) == b'{"colour":3}'
    assert canonical_json({Word.COLOUR: [Word.RED]}) == '{"colour":["r\u00e9d"]}'.encode()


@pytest.mark.parametrize(
    ("value", "field", "found", "expected"),
    [
        ({"a": [0, math.nan]}, "value.a[1]", "nan", "finite"),
        (math.inf, "value", "inf", "finite"),
        (-math.inf, "value", "-inf", "finite"),
        (INTEGER_MAX + 1, "value", "64 bits", "2**63 - 1"),
        (-(2**9_000), "value", "9001 bits", "2**63 - 1"),
        ({1: 2}, "value", "a key of type int", "text as key"),
        ({None: 2}, "value", "a key of type NoneType", "text as key"),
        ({"a": {True: 2}}, "value.a", "a key of type bool", "text as key"),
        ({"a": b"x"}, "value.a", "type bytes", "text"),
        ([{1, 2}], "value[0]", "type set", "a list"),
        (object(), "value", "type object", "an object"),
        ("a\ud800", "value", "U+D800", "UTF-8"),
        ([[1.5, {"a": ["\u00e9", "\ud800"]}]], "value[0][1].a[1]", "U+D800", "UTF-8"),
        ({"\udfff": 1}, "value", "U+DFFF", "UTF-8"),
        (nested(DEPTH_MAX + 1), "value[0][0]", "deeper", "64 levels"),
        (nested(100_000), "value[0][0]", "deeper", "64 levels"),
        ({"a\u202e": {"x" * 999: math.nan}}, "value.a<U+202E>.xxx", "nan", "finite"),
    ],
)
def test_what_has_no_canonical_form_is_refused(
    value: object, field: str, found: str, expected: str
) -> None:
    """The refusal names the place, what was found there and what was expected."""
    with pytest.raises(InvalidFieldError) as caught:
        canonical_json(value)
    assert caught.value.field.startswith(field)
    assert len(caught.value.field) <= 250
    assert str(caught.value).isprintable()
    assert found in caught.value.found
    assert expected in caught.value.expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" 1",
        b"1\n",
        b"01",
        b"+1",
        b"1.",
        b"1e5",
        b"1E400",
        b"1e400",
        b"-0",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"9223372036854775808",
        b"9" * 5000,
        b"True",
        b"'a'",
        b'"\\u00e9"',
        b'"\\/"',
        b'"\n"',
        b'"\\ud800"',
        b'"\xff"',
        b'\xef\xbb\xbf"a"',
        b'"a"\x00',
        b"[1,]",
        b"[1, 2]",
        b'{"a": 1}',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b"{} {}",
        b"[" * 100_000,
        b"[" * 65 + b"]" * 65,
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_json_in_any_other_form_is_refused(data: bytes) -> None:
    """Duplicate keys, other orders and spellings, and what is no JSON at all are not read."""
    with pytest.raises(InvalidFieldError) as caught:
        load_canonical(data, field="detail")
    assert caught.value.field.startswith("detail")
    assert caught.value.found
    assert caught.value.expected
