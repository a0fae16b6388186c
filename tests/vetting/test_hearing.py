"""What the jail says is the word of a process that has read hostile bytes."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.versions import Verdict
from registry.jail.hearing import line_of
from registry.jail.process import Limits
from registry.testing.vectors.zip_container import Part, zip_file
from registry.vetting.hearing import FACTS_DEPTH_MAX, facts_of
from registry.vetting.judging import heard, judge, verdict_of
from registry.vetting.structure import bad_names
from registry.vetting.tools import Tools

_FINDING: Mapping[str, Any] = {
    "rule": "FILE-1",
    "message": "m",
    "fix": "f",
    "effect": "fail",
    "member": "a.txt",
    "offset": 3,
}
_SAID: Mapping[str, Any] = {
    "format": "zip",
    "sha256": "0" * 64,
    "size_bytes": 3,
    "effect": "advice",
    "notes": [],
    "facts": {},
    "depends_on_files": False,
}
_TEXTS = st.text(st.characters(blacklist_categories=()), max_size=10)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner | _TEXTS, max_size=3) | st.dictionaries(_TEXTS, inner | _TEXTS, max_size=3)
    ),
    max_leaves=10,
)


def test_a_sound_word_is_taken() -> None:
    file = heard("a.zip", 3, {**_SAID, "notes": [{**_FINDING, "effect": "advice"}]})
    assert (file.verdict, file.format) == (Verdict.PASS, "zip")
    assert [(each.rule, each.member, each.offset) for each in file.findings] == [
        ("FILE-1", "a.txt", 3)
    ]


@pytest.mark.parametrize(
    "said",
    [
        {"notes": {"a": 1}},
        {"notes": [_FINDING] * 1000},
        {"notes": [{**_FINDING, "rule": "FILE-1\n✓ model.pkl"}]},
        {"notes": [{**_FINDING, "message": 1}]},
        {"notes": [{**_FINDING, "offset": 2**70}]},
        {"notes": [{**_FINDING, "offset": True}]},
        {"notes": [{**_FINDING, "effect": "pass"}]},
        {"format": "zip\x1b[2J"},
        {"sha256": "../../etc/passwd"},
        {"facts": []},
        {"facts": {"tensors": 5}},
        {"facts": {"external_data": [5]}},
        {"facts": {"external_data": [{"location": 5}]}},
        {"facts": {"a": [float("inf")]}},
        {"effect": "good"},
    ],
)
def test_a_word_of_another_form_is_none(said: Mapping[str, Any]) -> None:
    """It would trip whoever reads it, or be shown where it forges a line."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        heard("a.zip", 3, {**_SAID, **said})


@given(st.dictionaries(_TEXTS, _JSON, max_size=3))
def test_facts_can_be_stored_and_sent(facts: dict[str, Any]) -> None:
    """Whatever they are: PostgreSQL takes no NUL, and protobuf no halves of surrogates."""
    kept = facts_of(facts)
    text = json.dumps(kept, ensure_ascii=False).encode()
    assert b"\\u0000" not in text
    assert json.loads(text) == kept


def test_facts_are_not_deeper_than_readers_go() -> None:
    facts: dict[str, Any] = {}
    for _ in range(FACTS_DEPTH_MAX):
        facts = {"a": facts}
    with pytest.raises(ValueError, match="deep"):
        facts_of(facts)


@given(_TEXTS)
def test_a_text_is_one_line_that_does_nothing(text: str) -> None:
    said = line_of(text)
    assert len(said.splitlines()) <= 1
    assert said.isprintable()
    said.encode()


def test_a_members_name_forges_no_line(tmp_path: Path) -> None:
    """An archive alone can say any name, without taking over anything."""
    name = "a\n✓ model.pkl  pickle, 3 kB\x1b[2J\0.txt".encode()
    data = zip_file(Part(name=name, data=b"\x80\x02.", both={"flags": 0x800}))
    (tmp_path / "m.zip").write_bytes(data)

    (file,) = judge({"m.zip": len(data)}, lambda name: _opened(tmp_path / name), Limits(), Tools())

    assert file.verdict is Verdict.FAIL
    assert any("model.pkl" in each.member for each in file.findings)
    assert all(each.member.isprintable() and each.message.isprintable() for each in file.findings)


_JAILED = """#!{python}
import os, socket, sys, time
channel = socket.socket(fileno=int(sys.argv[-1]))
channel.recv(65536)
channel.sendall(b'{{"open_layers": {{}}}}\\n')
while True:
    line, files, *_ = socket.recv_fds(channel, 65536, 1)
    if not line:
        break
    os.close(files[0])
    {does}
"""
_DEEP = "channel.sendall(b'[' * 100000 + b']' * 100000 + b'\\n')"
_TRICKLE = "\n    ".join(("while True:", "    channel.sendall(b' ')", "    time.sleep(0.01)"))
_DEATH = "sys.stderr.write('x\\x1b[2J\\0\\u202e y'); sys.stderr.flush(); os._exit(3)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("does", "told"),
    [
        (_DEEP, "no JSON"),
        ("channel.sendall(b'[' + b'0,' * 6000000 + b'0]\\n')", "too much"),
        ("channel.sendall(b'{\"effect\": NaN}\\n')", "no JSON"),
        ("channel.sendall('\"\\ud800é\"\\n'.encode('utf-8', 'surrogatepass'))", "no JSON"),
        ("channel.sendall(b'5\\n')", "another form"),
        ("channel.sendall(b'{}\\n')", "another form"),
        (_TRICKLE, "no answer within"),
        ("channel.sendall(b' ' * (70 * 1024 * 1024))", "more than"),
        (_DEATH, "<U+001B>[2J<U+0000><U+202E> y"),
    ],
    ids=["deep", "parts", "nan", "surrogates", "number", "empty", "trickle", "long", "stderr"],
)
def test_a_jail_that_was_taken_over_gets_no_further(
    does: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it says, the file is unknown, in time, and whoever asked goes on."""
    taken_over = tmp_path / "jailed"
    taken_over.write_text(_JAILED.format(python=sys.executable, does=does), encoding="utf-8")
    taken_over.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(taken_over))
    (tmp_path / "a.txt").write_bytes(b"abc")
    begun_s = time.monotonic()

    files = list(
        judge({"a.txt": 3}, lambda name: _opened(tmp_path / name), Limits(wall_s=2), Tools())
    )

    assert verdict_of(files) is Verdict.UNKNOWN
    (finding,) = files[0].findings
    assert (finding.rule, told in finding.message) == ("JAIL-1", True), finding
    assert finding.message.isprintable()
    assert time.monotonic() - begun_s < 20


def test_names_that_no_version_may_have_are_bad() -> None:
    """As for a push; what is Git's own is left out of one."""
    names = ["a.txt", "line\nbreak.txt", "a\u202e.txt", "B.txt", "b.TXT", ".git/config"]
    assert set(bad_names(names)) == {"line\nbreak.txt", "a\u202e.txt", "B.txt", "b.TXT"}


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY)
