"""Cards: what is read from the metadata block, and what is refused."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.canonical import canonical_json
from registry.errors import InvalidFieldError, TooLargeError
from registry.formats.card import BLOCK_BYTES_MAX, card_fields, parse_card

GOOD = b"""---
license: apache-2.0
base_model: fraud/base
language: [en, no]
library_name: onnx
pipeline_tag: tabular-classification
tags:
  - fraud
  - weekly
model-index:
  - name: scorer
    results:
      - task: {type: tabular-classification}
        dataset: {name: holdout, type: fraud/holdout}
        metrics:
          - {type: auc, value: 0.912}
          - {type: accuracy, value: 1}
released: 2026-11-20
---

# Scorer

Scores card payments.
"""


def card(block: str) -> bytes:
    return f"---\n{block}\n---\ntext\n".encode()


def metadata(block: str) -> object:
    return json.loads(parse_card(card(block)).metadata_json)


def test_reads_a_good_card() -> None:
    """A complete card yields its well-known fields, its text, and nothing missing."""
    found = parse_card(GOOD)
    fields = card_fields(found.metadata_json)
    assert (found.license, found.base_models, found.missing) == ("apache-2.0", ("fraud/base",), ())
    assert found.text == "# Scorer\n\nScores card payments.\n"
    assert (fields.task, fields.library) == ("tabular-classification", "onnx")
    assert fields.tags == ("fraud", "weekly")
    assert fields.metrics == (("holdout auc", 0.912), ("holdout accuracy", 1.0))


def test_norwegian_is_no_boolean_and_a_date_is_text() -> None:
    """Scalars follow YAML 1.2: `no` and dates stay text."""
    found = parse_card(GOOD)
    assert card_fields(found.metadata_json).languages == ("en", "no")
    assert json.loads(found.metadata_json)["released"] == "2026-11-20"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("~", None),
        ("true", True),
        ("'true'", "true"),
        ("7", 7),
        ("-0.5e1", -5.0),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        ("99999999999999999999", "99999999999999999999"),
        ("9223372036854775808", "9223372036854775808"),
        ("0x10", "0x10"),
        ("yes", "yes"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
    ],
)
def test_scalars(text: str, value: object) -> None:
    """A plain scalar is null, a boolean, a bounded number, or else text."""
    assert metadata(f"key: {text}") == {"key": value}


@pytest.mark.parametrize("data", [b"", b"# Title\n", b"---\nrule above, no end\n", b"--- x\n---\n"])
def test_without_a_block(data: bytes) -> None:
    """A card without a closed block has empty metadata and lacks every wanted field."""
    found = parse_card(data)
    assert found.metadata_json == "{}"
    assert found.missing[:4] == ("license", "pipeline_tag", "library_name", "tags")


def test_empty_text_is_told() -> None:
    """A card that says nothing below its block lacks a description."""
    assert parse_card(b"---\nlicense: mit\n---\n").missing[-1] == "description"


def test_byte_order_mark_and_windows_line_ends() -> None:
    """A byte order mark and CRLF do not hide the block."""
    found = parse_card(b"\xef\xbb\xbf---\r\nlicense: mit\r\n---\r\ntext\r\n")
    assert (found.license, found.text) == ("mit", "text\r\n")


def test_wrong_types_count_as_missing() -> None:
    """A known key of a wrong type is kept in the metadata and reported missing."""
    found = parse_card(card("license: 7\ntags: {a: b}\nmodel-index: soon"))
    assert found.license == ""
    assert {"license", "tags"} <= set(found.missing)
    assert json.loads(found.metadata_json)["license"] == 7


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ("a: &x 1\nb: *x", "an anchor or alias in line 2"),
        ("b: *x", "an anchor or alias in line 2"),
        ("a: 1\nb: !!python/object:os.system x", "a tag in line 3"),
        ("a: !!str 7", "a tag"),
        ("%YAML 1.1\n--- {a: 1}", "a directive"),
        ("a: 1\n...\nb: 2", "document"),
        ("a: 1\na: 2", "the key 'a' again in line 3"),
        ("? [a]\n: 1", "a list or object as key"),
        ("- a", "a list"),
        ("just text", "a single value"),
        ("a: " + "[" * 40, "deeper nesting"),
        ("a: [1", "line"),
        ("a: b: c", "line 2"),
        ("a: \x07", "line"),
        ("\ta: 1", "character '\\t' that cannot start any token in line 2"),
        ('a: "\\ud800"', "surrogate"),
    ],
)
def test_refusals(block: str, found: str) -> None:
    """Whatever a card has no use for is refused with its line and a mend."""
    with pytest.raises(InvalidFieldError) as caught:
        parse_card(card(block))
    assert found in caught.value.found
    assert not caught.value.found.startswith("found")
    assert caught.value.fix


def test_text_that_is_no_utf8() -> None:
    """Bytes that are no UTF-8 are refused with their line."""
    with pytest.raises(InvalidFieldError, match="line 2"):
        parse_card(b"# Title\nna\xefve\n")


def test_bounds() -> None:
    """Oversize cards and blocks are refused before they are parsed."""
    with pytest.raises(TooLargeError, match="metadata block"):
        parse_card(card("a: " + "x" * BLOCK_BYTES_MAX))
    with pytest.raises(TooLargeError, match="1000000 bytes"):
        parse_card(b"x" * 1_000_001)


def test_a_block_of_many_parts_is_refused() -> None:
    """However short they are: they take longer than long ones."""
    with pytest.raises(TooLargeError, match="keys and values"):
        parse_card(card("a: [" + "1," * 60_000 + "]"))


def test_the_results_of_a_large_benchmark_fit() -> None:
    task = "  - task: {type: Retrieval}\n"
    result = f"{task}    metrics:\n    - type: ndcg_at_10\n      value: 52.%d\n"
    results = "".join(result % number for number in range(2500))
    parsed = parse_card(card(f"license: mit\nmodel-index:\n- name: e\n  results:\n{results}"))
    assert parsed.license == "mit"
    assert len(json.loads(parsed.metadata_json)["model-index"][0]["results"]) == 2500


def test_block_of_brackets_ends_at_the_depth_bound() -> None:
    """Deep nesting is refused when the bound is reached, however long the rest is."""
    with pytest.raises(InvalidFieldError, match="deeper nesting"):
        parse_card(card("[" * 60_000))


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1),
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"))),
    )
)
@pytest.mark.slow
def test_json_is_read_as_written(value: dict[str, object]) -> None:
    """A block in JSON, which is YAML, is read as the same value."""
    block = json.dumps(value)
    assert parse_card(card(block)).metadata_json == canonical_json(value).decode()


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Any block ends in a card or in a refusal of ours."""
    with suppress(InvalidFieldError, TooLargeError):
        parse_card(b"---\n" + data + b"\n---\n")
