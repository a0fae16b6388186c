"""Files judged in the real jail: parsers, scanners beside them, and what is kept of that."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import random
import socket
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.file_formats import role_of
from registry.domain.versions import Finding, Verdict
from registry.formats.inspect import inspect
from registry.formats.look import Effect
from registry.formats.source import BytesSource
from registry.jail.process import Limits
from registry.ports.scanners import Outcome, ScanAnswer
from registry.testing.contracts.scanners import MALICIOUS
from registry.testing.scanners import MemoryScanner
from registry.testing.vectors import (
    Vector,
    joblib_files,
    onnx,
    pickles,
    torch_archives,
    torch_files,
)
from registry.testing.vectors.safetensors import safetensors
from registry.vetting.jail import RulesError
from registry.vetting.jailed import Neighbours, scan, scanners_for
from registry.vetting.judging import (
    JudgedFile,
    from_document,
    inspect_files,
    judge,
    to_document,
    vouched,
)
from registry.vetting.scanners.allowed import is_allowed
from registry.vetting.tools import Tools

SOUND = safetensors({})
OWN = Tools(yara_rules={"own.yar": 'rule own_word { strings: $a = "hallowed" condition: $a }'})


def judged(
    folder: Path, files: Mapping[str, bytes], tools: Tools, limits: Limits | None = None
) -> list[JudgedFile]:
    for name, data in files.items():
        (folder / name).write_bytes(data)

    def open_file(name: str) -> int:
        return os.open(folder / name, os.O_RDONLY)

    sizes = {name: len(data) for name, data in files.items()}
    return list(judge(sizes, open_file, limits or Limits(), tools))


def rules_of(file: JudgedFile) -> list[str]:
    return [finding.rule for finding in file.findings]


_TEXTS = st.text(max_size=20)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=10,
)
FINDINGS = st.builds(
    Finding,
    rule=_TEXTS,
    message=_TEXTS,
    path=_TEXTS,
    fix=_TEXTS,
    fails=st.booleans(),
    doubts=st.booleans(),
    member=_TEXTS,
    offset=st.none() | st.integers(min_value=0),
)
FILES = st.builds(
    JudgedFile,
    path=_TEXTS,
    verdict=st.sampled_from(Verdict),
    format=_TEXTS,
    sha256=_TEXTS,
    size_bytes=st.integers(min_value=0),
    findings=st.lists(FINDINGS, max_size=3).map(tuple),
    facts=st.dictionaries(_TEXTS, _JSON, max_size=3),
    depends_on_files=st.booleans(),
)


@given(FILES)
def test_a_judged_file_comes_back_from_json(file: JudgedFile) -> None:
    assert from_document(json.loads(json.dumps(to_document(file)))) == file


def test_a_document_of_another_form_is_refused() -> None:
    (file,) = [from_document({**_UNCOVERED_DOCUMENT})]
    assert file.verdict is Verdict.UNKNOWN
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_document({**_UNCOVERED_DOCUMENT, "colour": "red"})
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_document({**_UNCOVERED_DOCUMENT, "verdict": "good"})


_UNCOVERED_DOCUMENT = {
    "path": "sub/w.data",
    "verdict": "unknown",
    "format": "",
    "sha256": "0" * 64,
    "size_bytes": 8,
    "findings": [{"rule": "FILE-2", "message": "", "fails": False, "doubts": True}],
    "facts": {},
    "depends_on_files": False,
}


def test_stored_results_are_vouched_for_by_the_version_they_are_in() -> None:
    """The bytes of a tensor pass beside the model that refers to them, and nowhere else."""
    data = from_document(_UNCOVERED_DOCUMENT)
    model = JudgedFile(
        path="sub/m.onnx",
        verdict=Verdict.PASS,
        size_bytes=1,
        facts={"external_data": [{"location": "w.data"}]},
        depends_on_files=True,
    )
    assert [file.verdict for file in vouched([data, model])] == [Verdict.PASS] * 2
    assert vouched([data]) == [data]
    scanned = from_document(
        {
            **_UNCOVERED_DOCUMENT,
            "findings": [{"rule": "FILE-2", "message": ""}, {"rule": "SCAN-3", "message": ""}],
        }
    )
    assert vouched([scanned, model])[0].verdict is Verdict.UNKNOWN


def test_neighbours_tell_whether_anybody_asked() -> None:
    """Each way of asking counts, and passing them on does not."""
    sizes = {"a": 1}
    assert not Neighbours(sizes).was_asked
    for ask in (len, list, dict, lambda each: each["a"], lambda each: "b" in each, bool):
        files = Neighbours(sizes)
        ask(files)
        assert files.was_asked


SOUND_PICKLES: list[Vector] = [
    vector
    for module in (joblib_files, pickles, torch_archives, torch_files)
    for vector in module.VECTORS
    if not vector.rule
]


@pytest.mark.slow
def test_scanners_keep_no_sound_pickle_from_passing() -> None:
    """What they are suspicious of in torch's and numpy's files stands on our own lists."""
    scanners = scanners_for({}, pickles=True)
    said = set()
    for vector in SOUND_PICKLES:
        source, role = BytesSource(vector.data), role_of(vector.path)
        found = inspect(source, role, {vector.path: 0, **vector.files})
        scan(found, source, role, scanners)
        assert found.effect is Effect.ADVICE, (vector.name, found.book.notes)
        said |= {note.rule.id for note in found.book.notes}
    assert "SCAN-2" in said


@pytest.mark.slow
def test_a_long_array_is_answered() -> None:
    """Of more than a scanner reads by its own limits."""
    data = pickle.dumps({"a": bytes(20_000_000)}, 4)
    found = inspect(BytesSource(data), "pickle", {})
    scan(found, BytesSource(data), "pickle", scanners_for({}, pickles=True))
    assert found.book.notes == []


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [2, 4])
def test_random_numbers_are_no_pickles(protocol: int) -> None:
    """One scanner would call nine in ten of these malicious, for what their bytes look like."""
    scanners = scanners_for({}, pickles=True)
    for seed in range(5):
        data = pickle.dumps({"a": random.Random(seed).randbytes(5000)}, protocol)
        found = inspect(BytesSource(data), "pickle", {})
        assert found.effect is Effect.ADVICE
        scan(found, BytesSource(data), "pickle", scanners)
        assert found.effect is Effect.ADVICE, found.book.notes


@pytest.mark.parametrize(
    ("answer", "effect"),
    [
        (ScanAnswer(outcome=Outcome.MALICIOUS), Effect.FAIL),
        (ScanAnswer(outcome=Outcome.CLEAN), Effect.ADVICE),
        (RuntimeError("crash"), Effect.UNKNOWN),
    ],
)
def test_an_opinion_makes_a_sound_file_worse(
    answer: ScanAnswer | Exception, effect: Effect
) -> None:
    asked = MemoryScanner(MALICIOUS)
    asked.answer = answer
    found = inspect(BytesSource(SOUND), "safetensors", {})
    scan(found, BytesSource(SOUND), "safetensors", [asked])
    assert found.effect is effect


def test_what_fails_already_is_shown_to_no_scanner() -> None:
    asked = MemoryScanner(MALICIOUS)
    asked.answer = ScanAnswer(outcome=Outcome.MALICIOUS)
    found = inspect(BytesSource(MALICIOUS), "pickle", {})
    assert found.effect is Effect.FAIL
    before = list(found.book.notes)
    scan(found, BytesSource(MALICIOUS), "pickle", [asked])
    assert found.book.notes == before


def test_names_are_allowed_by_the_list_of_their_format_alone() -> None:
    """Exactly as they are written."""
    assert is_allowed("torch-pickle", "torch._utils._rebuild_tensor_v2")
    assert not is_allowed("pickle", "torch._utils._rebuild_tensor_v2")
    assert is_allowed("pickle", "collections.OrderedDict")
    assert not is_allowed("pickle", "collections.ordereddict")
    assert not is_allowed("other", "collections.OrderedDict")


@pytest.mark.slow
class TestInTheJail:
    def test_a_state_dict_passes_with_advice(self, tmp_path: Path) -> None:
        """Also under a name that says nothing; and it depends on no other file."""
        data = next(each.data for each in torch_archives.VECTORS if not each.rule)
        for file in judged(tmp_path, {"model.pt": data, "lora.bin": data}, Tools()):
            assert file.verdict is Verdict.PASS, file.findings
            assert "SCAN-2" in rules_of(file)
            assert not any(finding.fails or finding.doubts for finding in file.findings)
            assert not file.depends_on_files

    def test_a_rule_of_ours_hits_and_leaves_the_others_alone(self, tmp_path: Path) -> None:
        """In a file that every parser calls sound."""
        bad, good = judged(tmp_path, {"a.txt": b"hallowed be\n", "b.txt": b"fine\n"}, OWN)
        assert (bad.verdict, rules_of(bad)) == (Verdict.FAIL, ["SCAN-1"])
        assert "own_word" in bad.findings[0].message
        assert (good.verdict, good.findings) == (Verdict.PASS, ())

    def test_nothing_is_opened_or_imported_after_the_walls(self, tmp_path: Path) -> None:
        """Every sound file of every pickled format, in one jail: a late import would be denied, and
        the scanner's answer missing, or the stream not unpacked."""
        files = {f"{n}-{each.path}": each.data for n, each in enumerate(SOUND_PICKLES)}
        for file in judged(tmp_path, files, OWN):
            assert file.verdict is Verdict.PASS, (file.path, file.findings)

    def test_a_scanner_that_crashes_leaves_each_file_unknown(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However often: what it logs is read by nobody while the jail lives, and must not keep it
        from the next file."""
        hook = tmp_path / "site" / "sitecustomize.py"
        hook.parent.mkdir()
        hook.write_text(
            "from registry.vetting.scanners.picklescan import Picklescan\n"
            "def scan(self, file, role):\n    raise RuntimeError('x' * 3000)\n"
            "Picklescan.scan = scan\n"
        )
        monkeypatch.syspath_prepend(str(hook.parent))
        files = {f"{number}.pkl": pickle.dumps(number, 4) for number in range(50)}
        for file in judged(tmp_path, files, Tools(), Limits(wall_s=3.0)):
            assert (file.verdict, rules_of(file)) == (Verdict.UNKNOWN, ["SCAN-3"])

    def test_rules_that_do_not_compile_are_no_jail(self, tmp_path: Path) -> None:
        with pytest.raises(RulesError, match=r"^own\.yar:1: error"):
            judged(tmp_path, {"a.txt": b""}, Tools(yara_rules={"own.yar": "rule {"}))

    def test_files_come_one_at_a_time(self, tmp_path: Path) -> None:
        """Each before the next one is opened, and only those that were asked for."""
        opened = []

        def open_file(name: str) -> int:
            opened.append(name)
            (tmp_path / name).write_bytes(SOUND)
            return os.open(tmp_path / name, os.O_RDONLY)

        sizes = {f"{n}.safetensors": len(SOUND) for n in range(4)}
        asked = ["2.safetensors", "0.safetensors"]
        found = inspect_files(sizes, open_file, Limits(), Tools(), paths=asked)
        assert next(found).path == opened[-1] == "2.safetensors"
        assert [file.path for file in found] == ["0.safetensors"]
        assert opened == asked

    def test_a_model_with_data_beside_it_depends_on_files(self, tmp_path: Path) -> None:
        vector = next(each for each in onnx.VECTORS if each.files and not each.rule)
        files = {vector.path: vector.data}
        files |= {path: bytes(size) for path, size in vector.files.items()}
        model = judged(tmp_path, files, Tools())[0]
        assert model.verdict is Verdict.PASS
        assert model.depends_on_files


@pytest.mark.slow
class TestClamAV:
    def test_its_signature_fails_a_sound_file(self, tmp_path: Path, clamd_socket: str) -> None:
        """What it finds nothing in passes without a word."""
        tools = Tools(clamav_socket=clamd_socket)
        files = {"a.txt": b"before cos\nsystem after\n", "b.txt": b"fine\n"}
        bad, good = judged(tmp_path, files, tools)
        assert (bad.verdict, rules_of(bad)) == (Verdict.FAIL, ["SCAN-1"])
        assert (good.verdict, good.findings) == (Verdict.PASS, ())

    def test_too_long_a_file_is_unknown(self, tmp_path: Path, clamd_socket: str) -> None:
        tools = Tools(clamav_socket=clamd_socket)
        (file,) = judged(tmp_path, {"a.txt": b"fine\n" * 600_000}, tools)
        assert (file.verdict, rules_of(file)) == (Verdict.UNKNOWN, ["SCAN-3"])

    def test_gone_it_leaves_files_unknown_and_the_digest_changed(
        self, tmp_path: Path, clamd_socket: str
    ) -> None:
        """Until it is back."""
        path = tmp_path / "s"
        tools = Tools(clamav_socket=str(path))
        gone = tools.digest()
        (file,) = judged(tmp_path, {"a.txt": b"fine\n"}, tools)
        assert (file.verdict, rules_of(file)) == (Verdict.UNKNOWN, ["SCAN-3"])
        path.symlink_to(clamd_socket)
        assert tools.digest() not in (gone, Tools().digest())
        assert tools.names()["clamav"].startswith("ClamAV ")
        path.unlink()
        assert tools.digest() == gone

    def test_one_that_hangs_is_waited_for_no_longer_than_the_jail(self, tmp_path: Path) -> None:
        """It takes the connection and says nothing: unknown, and the next file's turn."""
        path = tmp_path / "s"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            tools = Tools(clamav_socket=str(path))
            (file,) = judged(tmp_path, {"a.txt": b"fine\n"}, tools, Limits(wall_s=2.0))
        assert (file.verdict, rules_of(file)) == (Verdict.UNKNOWN, ["SCAN-3"])

    def test_one_that_dribbles_is_given_up(self, tmp_path: Path) -> None:
        """Time is counted in all, not from byte to byte."""
        path, done = tmp_path / "s", threading.Event()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()

            def serve() -> None:
                channel, _ = listener.accept()
                # It hangs up in the end.
                with channel, contextlib.suppress(OSError):
                    while not done.wait(0.2):
                        channel.sendall(b"x")

            thread = threading.Thread(target=serve)
            thread.start()
            try:
                tools = Tools(clamav_socket=str(path))
                (file,) = judged(tmp_path, {"a.txt": b"fine\n"}, tools, Limits(wall_s=2.0))
            finally:
                done.set()
                thread.join()
        assert (file.verdict, rules_of(file)) == (Verdict.UNKNOWN, ["SCAN-3"])
