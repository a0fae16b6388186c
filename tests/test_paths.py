"""File paths of a version: what is taken is safe everywhere, and hostile spellings are refused."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from itertools import combinations
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import registry.names.paths
from registry.errors import InvalidFieldError, InvalidRequestError
from registry.names import check_paths, folded_path, is_git_path, safe_path
from registry.names.paths import PROBLEMS_SHOWN_MAX, find_conflicts

ORDINARY = [
    "model.safetensors",
    "model-00001-of-00002.safetensors",
    "onnx/model.onnx",
    "1/model.plan",
    "README.md",
    ".env.example",
    "-rf",
    "a b/c (1) [x] {y} #%&+,;=@!$'`^~.txt",
    "...a",
    "a..b",
    "console.log",
    "nullable/auxiliary.txt",
    "com/lpt/com10",
    "\u30e2\u30c7\u30eb/\u8a9e\u5f59.json",
    "caf\u00e9.md",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629.txt",
    "na\u00efve/\u00df.bin",
    "half-\u00bd-\u00b2.txt",
    "\U0001f600.png",
    "x" * 255,
    "\u00e9" * 127 + "x",
    "/".join(["x" * 255] * 4)[:1024],
    "/".join("x" * 512),
]


@pytest.mark.parametrize("path", ORDINARY)
def test_ordinary_paths_are_taken_unchanged(path: str) -> None:
    """Letters of any script, blanks within, dots within and paths at the bounds are fine."""
    assert safe_path(path) == path


segments = st.text(
    st.characters(exclude_categories=("C", "Zl", "Zp"), exclude_characters="/")
    | st.sampled_from("abAB.- ~\u0301\uff0e\u2025\u00b9\u0130\u212a\u1e9e"),
    min_size=1,
    max_size=12,
)
spellings = st.lists(segments, min_size=1, max_size=4).map("/".join)


@given(spellings | st.text(max_size=40))
@example("a/\uff0e\uff0e/b")
@example("\u2025/etc/passwd")
@example("\u2100")
@example("CO\uff2e.txt")
def test_what_is_taken_stays_inside_its_folder_everywhere(path: str) -> None:
    """A path that is taken is relative, NFC, free of tricks, on POSIX, Windows and after NFKC."""
    try:
        safe_path(path)
    except InvalidFieldError:
        return
    assert unicodedata.normalize("NFC", path) == path
    assert 1 <= len(path.encode()) <= 1024
    for spelling in (path, unicodedata.normalize("NFKC", path)):
        posix, windows = PurePosixPath(spelling), PureWindowsPath(spelling)
        assert not posix.is_absolute()
        assert not windows.anchor
        assert str(posix) == spelling
        assert posix.parts == windows.parts
        assert ".." not in posix.parts
        assert spelling.isprintable()
        assert not any(part.endswith((".", " ")) for part in posix.parts)


@given(
    st.lists(
        st.sampled_from(["con", "COM", "nul", "lpt", "1", "git", *"axZ_-./~$ \n", "\u212a"]),
        max_size=8,
    ).map("".join)
)
@example("config.json")
@example("a/aux")
@example("CoN.x/a")
@example("x" * 256)
def test_a_glance_takes_nothing_more(path: str) -> None:
    """What is taken at a glance is what is taken segment by segment."""

    def is_taken() -> bool:
        with contextlib.suppress(InvalidFieldError):
            return safe_path(path) == path
        return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry.names.paths, "_PLAIN", re.compile("(?!)"))
        expected = is_taken()
    assert is_taken() == expected


@given(spellings)
@settings(max_examples=50)
@pytest.mark.slow
def test_what_is_taken_can_be_written(path: str) -> None:
    """A file of that path can be made in a folder and is found there under the same path."""
    try:
        safe_path(path)
    except InvalidFieldError:
        return
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
        assert [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()] == [path]


# --- Hostile paths -------------------------------------------------------------------------------

FOREIGN = [
    *map(chr, range(0x20)),
    *"\x7f\x80\x85\x9f\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u180b\u180e\u2000\u2007\u200b",
    *"\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2061",
    *"\u2066\u2067\u2068\u2069\u206f\u2800\u3000\u3164\ue000\ufdd0\ufe0f\ufeff\uffa0\ufff9\uffff",
    *"\ud800\udbff\udc80\udfff\U000e0001\U000e0041\U000e0100\U000f0000\U0010ffff\u0378",
    *'\\:*?<>|"',
    *"\uff0f\uff3c\uff1a\uff0a\uff1f\uff1c\uff1e\uff5c\uff02\u2100\u2105\ufe55\ufe68",
]
DEVICES = ["con", "PRN", "Aux", "nul", "COM1", "com9", "com0", "LPT1", "lpt9", "CONIN$", "conout$"]
DEVICES += ["com\u00b9", "LPT\u00b2", "\uff23\uff2f\uff2e"]
GIT = [".git", ".GIT", ".Git", ".github", ".gitignore", ".gitattributes", ".gitmodules", "git~1"]
GIT += ["GIT~2", "\uff0egit", ".g\u0131t".replace("\u0131", "\uff49"), ".\uff47it"]
WHOLE = [
    *("", "/", "//", ".", "..", "...", "/a", "a/", "a//b", "//a", "./a", "a/.", "a/./b", "../a"),
    *("a/..", "a/../b", "../../etc/passwd", "a/../../b", "/etc/passwd", "\\\\host\\share\\x"),
    *(
        "C:\\x",
        "C:/x",
        "c:x",
        "..\\x",
        "a\\..\\b",
        "file:///etc/passwd",
        "x:stream",
        "a./b",
        "a /b",
    ),
    *(" a", "a ", "a.", "a/ b", "a/b ", "a/b.", " ", "a/ /b", "\uff0e\uff0e/a", "a/\u2024\u2024/b"),
    *(
        "\u2025/a",
        "\u2026",
        "a\u2024",
        "e\u0301",
        "\u212b",
        "\u1100\u1161",
        "a\u0323\u0307".swapcase(),
    ),
    *("x" * 256, "\u00e9" * 128, "a/" + "x" * 256, "/".join("x" * 513), "x/" * 512, "x" * 100_000),
]
HOSTILE = sorted(
    {spelled for c in FOREIGN for spelled in (c, f"{c}ab.bin", f"a/b{c}c", f"ab{c}")}
    | {
        form.format(name)
        for name in DEVICES
        for form in ("{}", "a/{}", "{}.txt", "{}/b", "{} .x.y")
    }
    | {form.format(name) for name in GIT for form in ("{}", "a/{}", "{}/config")}
    | set(WHOLE)
)


def test_hostile_paths_are_refused() -> None:
    """No hostile spelling is taken, and each refusal is complete and safe to print."""
    assert len(HOSTILE) >= 500
    for path in HOSTILE:
        with pytest.raises(InvalidFieldError) as caught:
            safe_path(path, field="files[0].path")
        error = caught.value
        assert error.field == "files[0].path"
        assert min(len(error.found), len(error.expected), len(error.fix)) > 0
        assert all(part in str(error) for part in (error.found, error.expected, error.fix))
        assert str(error).isprintable()
        assert len(str(error)) < 1000


@pytest.mark.parametrize(
    ("path", "found", "expected"),
    [
        ("a\u202eb", "U+202E RIGHT-TO-LEFT OVERRIDE as character 2 of 'a<U+202E>b'", "visible"),
        ("a\x00b", "U+0000 as character 2", "visible"),
        ("a\\b", "U+005C REVERSE SOLIDUS as character 2", "\\ : *"),
        ("e\u0301", "U+0065 LATIN SMALL LETTER E, NFC has U+00E9", "NFC"),
        ("a/../b", "segment '..' in 'a/../b'", "without '.' and '..'"),
        ("x" * 2000, "2000 characters", "1024 bytes"),
        ("\u00e9" * 600, "1200 bytes", "1024 bytes"),
        ("onnx/NUL.txt", "segment 'NUL.txt'", "Windows device"),
        (".gitattributes", "segment '.gitattributes'", "no file of Git's own"),
    ],
)
def test_refusals_say_what_was_found_and_expected(path: str, found: str, expected: str) -> None:
    """The message shows the offending part, invisible characters as code points, and the rule."""
    with pytest.raises(InvalidFieldError) as caught:
        safe_path(path)
    assert found in caught.value.found
    assert expected in caught.value.expected


def test_gits_own_files_are_to_be_left_out() -> None:
    """A push can tell Git's files by the rule that refuses them."""
    assert all(is_git_path(f"a/{name}/b") for name in GIT)
    assert not any(map(is_git_path, ORDINARY))
    with pytest.raises(InvalidFieldError, match="Leave it out; hallmark push leaves"):
        safe_path(".gitattributes")


# --- Paths together ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a/b", "a/b", "each path once"),
        ("Model.bin", "model.bin", "case or compatibility form"),
        ("stra\u00dfe", "STRASSE", "case or compatibility form"),
        ("\ufb01le", "file", "case or compatibility form"),
        ("\uff41", "a", "case or compatibility form"),
        ("\u03c3", "\u03c2", "case or compatibility form"),
        ("a", "a/b", "either a file or a folder"),
        ("A", "a/b/c", "either a file or a folder"),
        ("a/b/c", "a/b/c/d/e", "either a file or a folder"),
        ("Data/x", "data/y", "one spelling of each folder"),
        ("a/Data/x/z", "a/data/y", "one spelling of each folder"),
    ],
)
def test_paths_that_collide_are_refused_with_both_names(
    first: str, second: str, expected: str
) -> None:
    """Duplicates, look-alikes and a file in a folder's place are told by both names."""
    for paths in ([first, "b", second, "c"], [second, "aa", first]):
        with pytest.raises(InvalidFieldError) as caught:
            check_paths(paths)
        assert expected in caught.value.expected
        assert f"'{first}'" in caught.value.found
        assert f"'{second}'" in caught.value.found
        assert caught.value.field == "files"


@pytest.mark.parametrize(
    "paths",
    [[], ["a"], ["a", "ab", "a.b", "a-b", "a b", "b/a"], ["a/b", "a/c", "a.b/c", "a-/b"]],
)
def test_paths_that_lie_apart_are_taken(paths: list[str]) -> None:
    """Different paths pass, also where one begins like the other."""
    check_paths(paths)


crowded = st.lists(
    st.lists(
        st.sampled_from(["a", "A", "b", "a.", "a b", "\uff41", "\u00df", "ss"]),
        min_size=1,
        max_size=3,
    ).map("/".join),
    max_size=6,
)


def collide(first: str, second: str) -> bool:
    """Slow oracle: the paths cannot both be in a folder that knows neither case nor NFKC forms."""
    ours, theirs = first.split("/"), second.split("/")
    for depth in range(1, min(len(ours), len(theirs)) + 1):
        if folded_path("/".join(ours[:depth])) != folded_path("/".join(theirs[:depth])):
            return False
        if depth in (len(ours), len(theirs)) or ours[:depth] != theirs[:depth]:
            return True
    return False


@given(crowded)
def test_collisions_are_found_exactly_where_they_are(paths: list[str]) -> None:
    """The sorted search agrees with comparing every pair."""
    assert bool(list(find_conflicts(paths))) is any(
        collide(first, second) for first, second in combinations(paths, 2)
    )


@given(st.text(max_size=20))
def test_folding_is_stable_and_blind_to_case_and_form(path: str) -> None:
    """Folding twice changes nothing, and every spelling of a path has its key."""
    key = folded_path(path)
    assert folded_path(key) == key
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        normal = unicodedata.normalize(form, path)
        assert folded_path(normal) == key
        assert folded_path(normal.casefold()) == key


def test_one_collision_among_ten_thousand_is_found() -> None:
    """Large folders are searched whole, and only what collides is reported."""
    paths = [f"layer-{n % 100}/part-{n}/weights.bin" for n in range(10_000)]
    check_paths(paths)
    with pytest.raises(
        InvalidFieldError,
        match=r"part-5000/weights\.bin' and .*/Weights\.bin|"
        r"/Weights\.bin' and .*part-5000/weights\.bin",
    ):
        check_paths([*paths, "layer-0/part-5000/Weights.bin"])


def test_many_problems_are_counted_and_the_first_are_told() -> None:
    """Several collisions make one error with all of them counted, and no more told than fit."""
    paths = [f"{name}{n}" for n in range(40) for name in ("a", "A")]
    with pytest.raises(InvalidRequestError) as caught:
        check_paths(paths, field="paths")
    assert caught.value.count == 40
    assert "And 37 more." in str(caught.value)
    assert len(caught.value.violations) == PROBLEMS_SHOWN_MAX + 1
    assert caught.value.violations[0].field == "paths"
    assert "'A0' and 'a0'" in caught.value.violations[0].description
    assert caught.value.violations[-1].description == f"and {40 - PROBLEMS_SHOWN_MAX} more"
