"""How values look to people and to programs."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from registry.cli import output
from registry.cli.session import colours, moves
from registry.client.values import Base, VersionSpec

DIGEST = "sha256:" + "3fa9c21b04d5" + "e" * 52


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1149, "1.1 kB"),
        (9_949, "9.9 kB"),
        (9_951, "10 kB"),
        (999_999, "1.0 MB"),
        (1_200_000_000, "1.2 GB"),
        (2**60, "1153 PB"),
    ],
)
def test_sizes(count: int, shown: str) -> None:
    """Sizes are in powers of ten, with two figures where there is room."""
    assert output.size(count) == shown


def test_times_are_utc() -> None:
    """Times of any zone are shown in UTC to the minute; none is empty."""
    time = datetime(2026, 11, 20, 23, 6, 55, tzinfo=timezone(timedelta(hours=1)))
    assert output.when(time) == "2026-11-20T22:06Z"
    assert output.when(None) == ""


def test_durations_round_up() -> None:
    """What is left is never shown as nothing."""
    assert output.duration(0.1) == "0:00:01"
    assert output.duration(3661) == "1:01:01"
    assert [output.took(s) for s in (0.04, 9.96, 61.0, 200.0)] == [
        "0.0 s",
        "10 s",
        "61 s",
        "0:03:20",
    ]


def test_digests() -> None:
    """Digests are cut to 12 digits, whole on request, and never lose their algorithm."""
    assert output.digest(DIGEST, full=False) == "sha256:3fa9c21b04d5…"
    assert output.digest(DIGEST, full=True) == DIGEST
    assert output.digest("", full=False) == ""


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("models/fraud/scorer", "fraud/scorer"),
        ("models/fraud/scorer/versions/7", "fraud/scorer@7"),
        ("models/fraud/scorer/commits/" + "a" * 40, "fraud/scorer@aaaaaaaaaaaa"),
        ("principals/bob", "bob"),
        ("promotions/42", "42"),
        ("system", "system"),
        ("", ""),
    ],
)
def test_names(name: str, shown: str) -> None:
    """Resource names are shown as people write them."""
    assert output.path_of(name) == shown


def test_tables_line_up() -> None:
    """Columns are as wide as their widest cell, without blanks at the end."""
    rows = [("a", "bb", ""), ("ccc", "d", "")]
    assert output.table(rows) == ["a    bb", "ccc  d"]
    assert output.table(rows, ("x", "y", "z"))[0] == "X    Y   Z"
    assert output.table([], ("x",)) == []


def test_details_leave_out_what_is_empty() -> None:
    """Labels line up, further lines too, and empty values have no line."""
    lines = output.details([("a", "1"), ("none", ""), ("long", "2\n3")])
    assert lines == ["  a     1", "  long  2", "        3"]


def test_text_of_others_cannot_drive_the_terminal() -> None:
    """Controls in foreign text become visible; colours and line ends stay."""
    assert output.printable("a\x1b[2Jb\x07\rc\n") == "a<U+001B>[2Jb<U+0007><U+000D>c\n"
    assert output.printable("\x1b[31mred\x1b[0m") == "\x1b[31mred\x1b[0m"
    assert output.printable("\u202egnp") == "<U+202E>gnp"


def test_json_has_the_apis_names() -> None:
    """JSON keeps field names, turns pairs into objects and times into RFC 3339 with Z."""
    spec = VersionSpec(metrics={"auc": 0.5}, bases=(Base(version="models/a/b/versions/1"),))
    value = {"spec": spec, "time": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "none": None}
    read = json.loads(output.as_json(value))
    assert read["spec"]["metrics"] == {"auc": 0.5}
    assert read["spec"]["bases"] == [{"version": "models/a/b/versions/1", "kind": "finetune"}]
    assert read["time"] == "2026-01-02T03:04:05.000006Z"
    assert read["none"] is None


@pytest.mark.parametrize(
    ("terminal", "term", "no_color", "expected"),
    [
        (True, "xterm-256color", "", (True, True)),
        (True, "xterm-256color", "1", (False, True)),
        (True, "dumb", "", (True, False)),
        (False, "xterm-256color", "", (False, False)),
    ],
)
def test_what_a_terminal_can_show(
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
    term: str,
    no_color: str,
    expected: tuple[bool, bool],
) -> None:
    """NO_COLOR takes away colours and not bars; a dumb terminal has no bars; a pipe has neither."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", no_color)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    assert (colours(stream), moves(stream)) == expected


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        ("short", ["short"]),
        ("    + one two three four five", ["    + one two three four", "      five"]),
        ("one  two three  four five", ["one  two three", "     four five"]),
        ("  A-1  it has far too many bytes", ["  A-1  it has far too", "       many bytes"]),
        ("Mend it so: hallmark push A b/c", ["Mend it so:", "    hallmark push A b/c"]),
        (
            "Push: hallmark push A b/c; or ask for it",
            ["Push:", "    hallmark push A b/c;", "    or ask for it"],
        ),
        ("a/b/c" + " " * 20 + "100 kB", ["a/b/c  100 kB"]),
        (
            "name" + " " * 9 + "two words" + " " * 9 + "end",
            ["name         two words", "    end"],
        ),
        ("\x1b[31mred\x1b[0m and not so long", ["\x1b[31mred\x1b[0m and not so long"]),
        ("x" * 30, ["x" * 30]),
    ],
)
def test_what_is_longer_than_the_terminal_is_folded(line: str, pieces: list[str]) -> None:
    """Between words and below the second column; a command stays whole, and colours count not."""
    assert output.folded(line, 24) == pieces
