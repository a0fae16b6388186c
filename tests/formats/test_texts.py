"""Laws of what is read of templates, GGUF, settings and texts."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import json
import struct
import sys
import textwrap
import threading
import typing
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.domain.file_formats import role_of
from registry.formats import strict_json
from registry.formats.inspect import Inspection, inspect
from registry.formats.look import Effect
from registry.formats.python_source import nodes_of
from registry.formats.source import BytesSource
from registry.formats.text_file import spdx
from registry.testing.vectors import Vector, gguf, json_files, templates, texts

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
FORMATS = (*gguf.VECTORS, *json_files.VECTORS, *templates.VECTORS, *texts.VECTORS)


def look(path: str, data: bytes) -> Inspection:
    return inspect(BytesSource(data), role_of(path), {})


@given(VALUES)
def test_what_python_writes_is_read_as_json(value: Any) -> None:
    """Strictness costs no sound file."""
    assert strict_json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8")) == value


@given(st.text(alphabet='[]{}"\\a', max_size=300))
def test_depth_is_bounded_however_brackets_stand(text: str) -> None:
    """Whatever reads deeper than allowed is an error of ours, never a recursion."""
    with pytest.raises(strict_json.JsonError):
        strict_json.loads(("[" * 65 + text).encode())


@given(st.data())
def test_a_gguf_is_read_only_whole(data: st.DataObject) -> None:
    """No beginning of a sound file passes, nor does the file with more behind it."""
    sound = gguf.VECTORS[0].data
    cut = data.draw(st.integers(0, len(sound) - 1))
    more = data.draw(st.binary(min_size=1, max_size=19).filter(lambda each: each.strip(b"\0")))
    assert look("a.gguf", sound[:cut]).effect is Effect.FAIL
    assert look("a.gguf", sound + more).effect is Effect.FAIL


@given(st.integers(0, 2**64 - 1), st.integers(0, 12))
def test_no_count_is_believed(count: int, kind: int) -> None:
    """An array of any claimed length in a small file passes only as long as it is."""
    value = struct.pack("<IIQ", 9, kind, count)
    found = look("a.gguf", gguf.gguf([("a", value)], alignment=1))
    assert found.effect is (Effect.ADVICE if count == 0 else Effect.FAIL)


@given(st.from_regex(r"_[a-z_]{0,12}", fullmatch=True))
def test_no_way_of_writing_an_attribute_hides_it(name: str) -> None:
    """As attribute, item, escaped item, and for filters that take names."""
    escaped = "".join(f"\\x{ord(each):02x}" for each in name)
    for text in (
        f"{{{{ a.{name} }}}}",
        f"{{{{ a['{name}'] }}}}",
        f"{{{{ a['{escaped}'] }}}}",
        f"{{{{ a | map(attribute='b.{name}') | list }}}}",
    ):
        assert look("a.jinja", text.encode()).effect is Effect.FAIL, text


@settings(max_examples=30)
@given(st.text(max_size=200))
def test_text_is_text(text: str) -> None:
    """Whatever people write passes, unless it holds control characters or opcodes."""
    data = ("a " + "".join(each for each in text if each.isprintable())).encode()
    assert look("a.txt", data).effect is Effect.ADVICE


@pytest.mark.parametrize(
    ("said", "expected"),
    [("apache-2.0", "Apache-2.0"), ("mit", "MIT"), ("llama3", "LicenseRef-llama3"), ("", "")],
)
def test_licenses_are_told_as_spdx_has_them(said: str, expected: str) -> None:
    """Hubs write them in lower case, and have some of their own."""
    assert spdx(said) == expected


@pytest.mark.slow
def test_nothing_is_imported_or_opened_while_looking() -> None:
    """In the jail nothing can be opened any more, so that a late import would be a crash."""
    seen: list[str] = []
    # What threads of tests before this one still do is not the parsers' doing.
    watched = [threading.get_ident()]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if threading.get_ident() in watched and event in ("open", "import", "exec"):
            seen.append(f"{event} {arguments[0]!r}")

    sys.addaudithook(watch)
    try:
        for vector in FORMATS:
            if len(vector.data) < 1_000_000:
                _inspect(vector)
    finally:
        watched.clear()
    assert not seen


def _inspect(vector: Vector) -> None:
    inspect(BytesSource(vector.data), role_of(vector.path), vector.files)


@pytest.mark.parametrize("module", [argparse, dataclasses, json.decoder, textwrap, typing])
def test_python_is_read_as_its_own_parser_reads_it(module: ModuleType) -> None:
    """Statement by statement, but for white space in texts of several lines."""
    assert module.__file__ is not None
    text = Path(module.__file__).read_text(encoding="utf-8")
    # The frame in which it is read: a console's statement, `if 1:` and the `pass` at its end.
    frame = ["Interactive", "If", "Constant", "Pass"]
    found = Counter(type(each).__name__ for each in nodes_of(text))
    expected = Counter(type(each).__name__ for each in ast.walk(ast.parse(text)))
    assert found - Counter(frame) == expected - Counter(["Module"])
    names = [(each.lineno, each.id) for each in nodes_of(text) if isinstance(each, ast.Name)]
    own = [(e.lineno, e.id) for e in ast.walk(ast.parse(text)) if isinstance(e, ast.Name)]
    assert sorted(names) == sorted(own)


@pytest.mark.parametrize("text", ["", "# a\n", "x = 1", "if x:\r\n    y\r\n", "s = '''a\n b'''\n"])
def test_short_python_is_python(text: str) -> None:
    assert look("a.py", text.encode()).effect is Effect.ADVICE
