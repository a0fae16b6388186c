"""`hallmark ready check --probe`: a folder on a real Triton."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.testing.command import CommandLine
from registry.testing.onnx_models import model, node, relu, save
from registry.testing.triton import RELEASE, Key, TritonServer

pytestmark = pytest.mark.slow

KEY = Key(protocols=("model-repository",), header="admin-key", value="canary-key")


@pytest.fixture(scope="module")
def triton() -> Iterator[TritonServer]:
    with TritonServer(keys=(KEY,)) as started:
        yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(relu(), tmp_path / "scorer/model.onnx")
    return tmp_path / "scorer"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    (tmp_path / "admin-key").write_text(KEY.value)
    return tmp_path / "admin-key"


def test_a_folder_is_probed_by_address_and_by_stage(
    command: CommandLine,
    triton: TritonServer,
    folder: Path,
    key_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With one answer for people, and one for programs; the key is in neither."""
    asked = ("ready", "check", str(folder), "--triton", RELEASE)
    url = f"grpc://{triton.grpc_address}"
    done = command(*asked, "--probe", url, "--probe-key", f"admin-key={key_file}")
    assert done.code == 0, done.out
    for part in (
        f"scorer probed on {triton.grpc_address}, version 2.51.0, for Triton {RELEASE}: ready",
        "made, batch 1",
        "p99",
    ):
        assert part in done.out
    file = tmp_path / "probes.yaml"
    file.write_text(
        f"probes:\n  staging:\n    url: {url}\n    keys:\n      admin-key: {key_file.name}\n"
    )
    monkeypatch.setenv("HALLMARK_TRITON_PROBES_FILE", str(file))
    done = command(*asked, "--probe", "staging", "--json")
    assert done.code == 0
    (probed,) = json.loads(done.out)["probes"]
    assert (probed["readiness"], probed["server_version"]) == ("ready", "2.51.0")
    assert [each["batch"] for each in probed["latencies"]] == [1, 2, 4]
    assert "canary" not in done.out


def test_the_worst_of_report_and_probe_is_the_exit_code(
    command: CommandLine, triton: TritonServer, folder: Path
) -> None:
    """A probe that tells nothing leaves the model unknown, whatever its report says; and one that
    is not ready stays so."""
    url = f"grpc://{triton.grpc_address}"
    asked = ("ready", "check", str(folder), "--triton", RELEASE, "--probe", url)
    done = command(*asked)
    assert done.code == 5
    assert "PROBE-3" in done.out
    save(model(node("Nonsense", "x", "y")), folder / "model.onnx")
    assert command(*asked).code == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_probe_that_is_ended_unloads(
    triton: TritonServer, key_file: Path, tmp_path: Path, how: signal.Signals
) -> None:
    """Also while the server is still loading the model."""
    folder = tmp_path / "slow"
    (folder / "1").mkdir(parents=True)
    (folder / "1/model.py").write_text(
        "import time\nclass TritonPythonModel:\n    def initialize(self, args):\n"
        "        time.sleep(2)\n"
    )
    (folder / "config.pbtxt").write_text(
        'backend: "python" max_batch_size: 1\n'
        'input { name: "x" data_type: TYPE_FP32 dims: 1 }\n'
        'output { name: "y" data_type: TYPE_FP32 dims: 1 }\n'
    )
    words = ["ready", "check", str(folder), "--triton", RELEASE]
    words += ["--probe", f"grpc://{triton.grpc_address}", "--probe-key", f"admin-key={key_file}"]
    # Whoever runs the tests in the background ignores Ctrl-C, and so would what they start.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    started = len(triton.log)
    process = subprocess.Popen(
        [sys.executable, "-m", "registry.cli", *words], stderr=subprocess.PIPE, text=True
    )
    signal.signal(signal.SIGINT, before)
    try:
        until = time.monotonic() + 60
        while "loading: hallmark-probe-" not in triton.log[started:]:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(how)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, err
    assert "Interrupted" in err
    while "successfully unloaded 'hallmark-probe-" not in triton.log[started:]:
        assert time.monotonic() < until, triton.log[started:]
        time.sleep(0.02)


def test_what_cannot_be_meant_is_refused(
    command: CommandLine, folder: Path, tmp_path: Path
) -> None:
    """Before anything is assessed. What stands where a key's file belongs is not shown."""
    asked = ("ready", "check", str(folder), "--triton", "24.10")
    file = tmp_path / "probes.yaml"
    file.write_text("probes:\n  staging:\n    url: grpc://127.0.0.1:9\n")
    for words, said in (
        (("--probe", "staging"), "--probes-file"),
        (("--probe-ca", str(file)), "go with --probe"),
        (("--probe", "http://h:1"), "grpc://HOST:PORT"),
        (("--probe", "grpc://h:1", "--probe-key", "canary"), "expected NAME=FILE"),
        (("--probe", "grpc://h:1", "--triton", "25.10"), "give --triton once"),
        (("--probe", "grpc://h:1", "--probe-certificate", str(file)), "give both"),
        (("--probe", "canada", "--probes-file", str(file)), "expected one of staging"),
    ):
        done = command(*asked, *words)
        assert done.code not in (0, 1, 5), words
        assert said in done.err, (words, done.err)
        assert "canary" not in done.err
