"""Scanners of others, the real ones where they are installed, and the reading of what they say."""

from __future__ import annotations

import importlib
import io
import pickle
import socket
import subprocess
import sys
import threading
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from registry.formats.look import Effect
from registry.ports.scanners import Outcome, ScanAnswer, ScannerError
from registry.testing.contracts.scanners import MALICIOUS, SOUND, Case, ScannerContract
from registry.testing.scanners import MemoryScanner
from registry.vetting.scanners.clamav import ClamAV
from registry.vetting.scanners.opinions import opinion

RULES = {"own.yar": r'rule os_system { strings: $a = "cos\nsystem" condition: $a }'}
#: What torch.save writes for one tensor of two axes.
TENSOR = (
    b"\x80\x02}q\x00X\x01\0\0\0wq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\0\0\0storage"
    b"q\x03ctorch\nFloatStorage\nq\x04X\x01\0\0\x000q\x05X\x03\0\0\0cpuq\x06K\x06tq\x07QK\x00K\x02"
    b"K\x03\x86q\x08K\x03K\x01\x86q\t\x89ccollections\nOrderedDict\nq\n)Rq\x0btq\x0cRq\rs."
)
ALLOWED = frozenset(
    ("torch._utils._rebuild_tensor_v2", "torch.FloatStorage", "collections.OrderedDict")
)


def scanner(module: str, name: str, *arguments: object) -> Any:
    """One of our adapters."""
    adapter = importlib.import_module(f"registry.vetting.scanners.{module}")
    return getattr(adapter, name)(*arguments)


def torch_zip(data: bytes) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/data/0", bytes(24))
    return out


class TestMemory(ScannerContract):
    @pytest.fixture
    def case(self) -> Case:
        return Case(scanner=MemoryScanner(MALICIOUS))


class TestPicklescan(ScannerContract):
    @pytest.fixture
    def case(self) -> Case:
        return Case(scanner=scanner("picklescan", "Picklescan"))


def array_in_zip(data: bytes) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("coef.npy", data)
    return out


def npy(descr: bytes, data: bytes, *, version: int = 1) -> bytes:
    header = b"{'descr': %b, 'fortran_order': False, 'shape': (1,), }\n" % descr
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes((version, 0)) + length + header + data


CALL = b"cos\nsystem\n(S'x'\ntR."


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (npy(b"'<f8'", bytes(8)), Outcome.CLEAN),
        (npy(b"'<f8'", bytes(8), version=3), Outcome.CLEAN),
        (npy(b"'|O'", CALL), Outcome.MALICIOUS),
        (npy(b"'i4,object'", CALL, version=2), Outcome.MALICIOUS),
        (CALL, Outcome.MALICIOUS),
        (b"\x93NUMPY\x01\0\xff\xff{", Outcome.INCONCLUSIVE),
        (b"\x93NUMPY\x09\0" + bytes(80), Outcome.INCONCLUSIVE),
    ],
    ids=["floats", "floats 3.0", "objects", "objects by name", "no array", "cut", "version"],
)
def test_arrays_in_archives_are_read_without_numpy(
    data: bytes, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    answer = scanner("picklescan", "Picklescan").scan(array_in_zip(data), "skops")
    assert answer.outcome is outcome


class TestModelAudit(ScannerContract):
    @pytest.fixture
    def case(self) -> Case:
        return Case(scanner=scanner("modelaudit", "ModelAudit"))


class TestYara(ScannerContract):
    @pytest.fixture
    def case(self) -> Case:
        return Case(scanner=scanner("yara", "Yara", RULES), role="other")


@pytest.mark.slow
class TestClamAV(ScannerContract):
    @pytest.fixture
    def case(self, clamd_socket: str) -> Case:
        return Case(scanner=ClamAV(clamd_socket, timeout_s=10))

    def test_too_long_a_file_is_inconclusive(self, case: Case) -> None:
        """clamd hangs up; that is no error and no clean answer."""
        answer = case.scanner.scan(io.BytesIO(bytes(5_000_000)), "other")
        assert answer.outcome is Outcome.INCONCLUSIVE


def test_a_clamd_that_is_not_there_is_no_answer(tmp_path: Path) -> None:
    """The file is unknown, not clean."""
    absent = ClamAV(str(tmp_path / "none"), timeout_s=1)
    with pytest.raises(ScannerError):
        absent.scan(io.BytesIO(SOUND), "other")
    note = opinion(absent, io.BytesIO(SOUND), "other", ALLOWED.__contains__)
    assert note is not None
    assert (note.rule.id, note.effect) == ("SCAN-3", Effect.UNKNOWN)


@pytest.mark.parametrize("told", [b"", b"stream: O", b"UNKNOWN COMMAND\0", b"stream: X ERROR\0"])
def test_a_clamd_that_says_something_else_is_not_clean(tmp_path: Path, told: bytes) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            channel, _ = listener.accept()
            with channel:
                channel.recv(65536)
                channel.sendall(told)

        thread = threading.Thread(target=serve)
        thread.start()
        note = opinion(ClamAV(path, timeout_s=5), io.BytesIO(SOUND), "other", ALLOWED.__contains__)
        thread.join()
    assert note is not None
    assert note.effect is Effect.UNKNOWN


_IN_JAIL = """
import os, sys
# One scanner would ask for the working folder, which is not to be had in the jail.
sys.path[:] = [os.path.abspath(each) for each in sys.path]
from registry.formats.source import BytesSource
from registry.jail.inside import lock_in
from registry.vetting.scanners.files import as_file
from tests.vetting.test_scanners import MALICIOUS, RULES, TENSOR, scanner, torch_zip

asked = scanner(*sys.argv[1].split(), *([RULES] if "Yara" in sys.argv[1] else []))
files = [torch_zip(data).getvalue() for data in (MALICIOUS, TENSOR)]
lock_in({"memory_bytes": 4 << 30, "cpu_s": 30, "descriptors": 64, "file_bytes": 0, "bare": True})
for data in files:
    print(asked.scan(as_file(BytesSource(data)), "torch-pickle").outcome.value)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("adapter", "answers"),
    [
        ("picklescan Picklescan", ["malicious", "clean"]),
        ("modelaudit ModelAudit", ["malicious", "suspicious"]),
        ("yara Yara", ["malicious", "clean"]),
    ],
)
def test_it_answers_in_the_jail(adapter: str, answers: list[str]) -> None:
    """Locked in, where nothing can be opened, it says what it says outside."""
    module, _, name = adapter.partition(" ")
    scanner(module, name, *([RULES] if name == "Yara" else []))
    done = subprocess.run(
        [sys.executable, "-c", _IN_JAIL, adapter],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.splitlines() == answers, done.stderr


NAMES = frozenset(("collections.OrderedDict",))


def test_modelaudit_asks_for_nothing_that_is_installed() -> None:
    """It would read what is said of each package, which takes a jail's start as long again."""
    code = """
import importlib.metadata, sys
importlib.metadata.packages_distributions = asked = lambda: sys.exit("asked")
import registry.vetting.scanners.modelaudit as scanner
assert importlib.metadata.packages_distributions is asked
scanner.ModelAudit()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("answer", "rule", "effect"),
    [
        (ScanAnswer(outcome=Outcome.MALICIOUS), "SCAN-1", Effect.FAIL),
        (
            ScanAnswer(outcome=Outcome.MALICIOUS, names=NAMES, is_names_only=True),
            "SCAN-1",
            Effect.FAIL,
        ),
        (
            ScanAnswer(outcome=Outcome.SUSPICIOUS, names=NAMES, is_names_only=True),
            "SCAN-2",
            Effect.ADVICE,
        ),
        (
            ScanAnswer(outcome=Outcome.INCONCLUSIVE, names=NAMES, is_names_only=True),
            "SCAN-3",
            Effect.ADVICE,
        ),
        (ScanAnswer(outcome=Outcome.SUSPICIOUS, names=NAMES), "SCAN-2", Effect.UNKNOWN),
        (ScanAnswer(outcome=Outcome.SUSPICIOUS, is_names_only=True), "SCAN-2", Effect.UNKNOWN),
        (
            ScanAnswer(outcome=Outcome.SUSPICIOUS, names=NAMES | {"x.run"}, is_names_only=True),
            "SCAN-2",
            Effect.UNKNOWN,
        ),
        (ScanAnswer(outcome=Outcome.INCONCLUSIVE), "SCAN-3", Effect.UNKNOWN),
        (RuntimeError("crash"), "SCAN-3", Effect.UNKNOWN),
        (TimeoutError(), "SCAN-3", Effect.UNKNOWN),
    ],
)
def test_an_answer_is_read_as_the_worse(
    answer: ScanAnswer | Exception, rule: str, effect: Effect
) -> None:
    """Malicious fails; only names on our own list are let pass; all else is unknown."""
    asked = MemoryScanner(MALICIOUS)
    asked.answer = answer
    note = opinion(asked, io.BytesIO(SOUND), "pickle", ALLOWED.__contains__)
    assert note is not None
    assert (note.rule.id, note.effect) == (rule, effect)


def test_clean_raises_nothing() -> None:
    assert opinion(MemoryScanner(b"?!"), io.BytesIO(SOUND), "pickle", ALLOWED.__contains__) is None


@pytest.mark.parametrize("adapter", [("picklescan", "Picklescan"), ("modelaudit", "ModelAudit")])
class TestPickles:
    def test_a_state_dict_is_advice_at_most(self, adapter: tuple[str, str]) -> None:
        """Names of torch stand on our own list."""
        found = opinion(scanner(*adapter), torch_zip(TENSOR), "torch-pickle", ALLOWED.__contains__)
        assert found is None or found.effect is Effect.ADVICE

    def test_a_payload_in_a_zip_is_malicious(self, adapter: tuple[str, str]) -> None:
        answer = scanner(*adapter).scan(torch_zip(MALICIOUS), "torch-pickle")
        assert answer.outcome is Outcome.MALICIOUS

    def test_a_name_never_seen_is_unknown(self, adapter: tuple[str, str]) -> None:
        file = io.BytesIO(b"\x80\x02cacme_internal.tools\nrun_shell\nX\x02\0\0\0id\x85R.")
        note = opinion(scanner(*adapter), file, "pickle", ALLOWED.__contains__)
        assert note is not None
        assert (note.rule.id, note.effect) == ("SCAN-2", Effect.UNKNOWN)

    def test_plain_collections_pass(self, adapter: tuple[str, str]) -> None:
        file = io.BytesIO(pickle.dumps(OrderedDict(a=1), 2))
        note = opinion(scanner(*adapter), file, "pickle", ALLOWED.__contains__)
        assert note is None or note.effect is Effect.ADVICE
