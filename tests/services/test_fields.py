"""The rules of free text: what one line and what several lines may hold."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import registry.services.fields
from registry.errors import HallmarkError, InvalidFieldError
from registry.services.fields import check_pairs, check_text

CONTROLS = "\0\x07\x0b\x0c\x1b\x1f\x7f\x80\x85\x9f\ud800"
BIDI_CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
SEPARATORS = "\u2028\u2029"


@pytest.mark.parametrize("bad", CONTROLS + BIDI_CONTROLS + SEPARATORS + "\r\n\t", ids=ascii)
def test_one_line_holds_no_control(bad: str) -> None:
    """What ends a line, steers a terminal or turns the direction of writing is refused."""
    with pytest.raises(InvalidFieldError) as refused:
        check_text("license", f"mit{bad}x", 100, one_line=True)
    assert refused.value.field == "license"
    assert refused.value.found.startswith(f"U+{ord(bad):04X}")
    assert refused.value.found.endswith(f" as character 4, near 'mit<U+{ord(bad):04X}>x'")
    assert refused.value.expected == "one line without control characters"
    assert bad not in str(refused.value)


@pytest.mark.parametrize("bad", CONTROLS + BIDI_CONTROLS + "\r", ids=ascii)
def test_several_lines_hold_no_other_control(bad: str) -> None:
    """Where line breaks and tabs are fine, every other control is refused."""
    with pytest.raises(InvalidFieldError) as refused:
        check_text("note", f"first\n{bad}second", 100)
    assert refused.value.found.endswith(
        f" as character 7, near 'first<U+000A><U+{ord(bad):04X}>second'"
    )
    assert "line breaks (U+000A) and tabs" in refused.value.expected


@pytest.mark.parametrize(
    ("bad", "one_line", "fix"),
    [
        ("\n", True, "Put a space in its place."),
        ("\r", True, "Put a space in its place."),
        ("\r", False, "End lines with U+000A alone."),
        ("\u202e", True, "Remove it."),
        ("\u202e", False, "Remove it."),
    ],
    ids=ascii,
)
def test_each_refusal_says_how_to_mend_it(bad: str, one_line: bool, fix: str) -> None:
    """A break in one line becomes a space, CRLF loses its CR, the rest goes."""
    with pytest.raises(InvalidFieldError) as refused:
        check_text("note", bad, 100, one_line=one_line)
    assert refused.value.fix == fix


@pytest.mark.parametrize("one_line", [True, False])
def test_nothing_hides_behind_what_is_fine(one_line: bool) -> None:
    """A NUL is found also behind a character that is invisible, yet allowed."""
    with pytest.raises(InvalidFieldError) as refused:
        check_text("filter.text", "\u200b\0", 100, one_line=one_line)
    assert refused.value.found.startswith("U+0000 as character 2")


def test_only_what_is_near_is_shown() -> None:
    """A long text is shown around the place, whose number counts from the text's beginning."""
    with pytest.raises(InvalidFieldError) as refused:
        check_text("note", "a" * 500 + "\x07" + "b" * 500, 2000)
    near = "a" * 20 + "<U+0007>" + "b" * 20
    assert refused.value.found == f"U+0007 as character 501, near '{near}'"


def test_fine_text_is_kept() -> None:
    """Foreign scripts, joined emoji and direction marks are text; so are breaks where allowed."""
    line = "pay \u05e9\u05dc\u05d5\u05dd\u200e \u0639\u0631\u0628\u064a \U0001f469\u200d\U0001f4bb"
    assert check_text("display_name", line, 100, one_line=True) == line
    lines = f"{line}\n\tand more\u2028{line}"
    assert check_text("note", lines, 200) == lines


def told(text: str, *, required: bool, one_line: bool) -> str:
    """What check_text and check_pairs make of a text of at most 5 characters."""
    try:
        checked = check_text("note", text, 5, required=required, one_line=one_line)
        pairs = check_pairs("spec", [("b", text), ("a", "")], value_max=5)
    except HallmarkError as error:
        return str(error)
    return repr((checked, pairs))


@given(st.text(max_size=8) | st.text(" ~a\x7f\x1f\n", max_size=8), st.booleans(), st.booleans())
@example("", True, True)
@example("abcde", False, True)
@example("abcdef", False, True)
@example("a\tb", False, False)
def test_a_glance_takes_nothing_more(text: str, required: bool, one_line: bool) -> None:
    """What is taken at a glance is what is taken by every rule, and refusals are the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry.services.fields, "_is_plain", lambda value, length_max: False)
        expected = told(text, required=required, one_line=one_line)
    assert told(text, required=required, one_line=one_line) == expected


def test_a_pair_is_named_where_its_value_is_refused() -> None:
    """By its key, as it may be shown."""
    with pytest.raises(InvalidFieldError, match=re.escape("spec.parameters['lr']")):
        check_pairs("spec.parameters", [("epochs", "3"), ("lr", "0.1\0")])
