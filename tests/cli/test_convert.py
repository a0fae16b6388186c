"""`hallmark convert`, against a running server and without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from registry.testing.checkpoints import SAMPLES, Sample, archived, in_training, loaded, older
from registry.testing.command import CommandLine, Done
from registry.testing.people import Team, vetted

pytestmark = pytest.mark.slow

Hallmark = Callable[..., Done]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A model with a card, a configuration and a checkpoint of torch."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Scorer\n")
    (folder / "config.json").write_text('{"hidden_size": 6}')
    (folder / ".notes.txt").write_text("hidden, and wanted\n")
    (folder / "pytorch_model.bin").write_bytes(in_training(SAMPLES))
    return folder


def tensors(path: Path) -> Mapping[str, bytes]:
    return {name: data for name, (_, _, data) in loaded(path.read_bytes()).items()}


@pytest.fixture
def released(hallmark: Hallmark, team: Team, checkpoint: Path) -> str:
    hallmark("push", str(checkpoint), team.model(), "--hidden")
    vetted(team.alice, f"{team.model()}@1")
    return team.model()


def test_a_version_becomes_another(
    hallmark: Hallmark, team: Team, released: str, checkpoint: Path, tmp_path: Path
) -> None:
    """Safetensors in place of the checkpoint, all else as it was; lineage tells it."""
    done = hallmark("convert", f"{released}@1", "--to", "safetensors", "--message", "safer")
    assert "pytorch_model.bin became model.safetensors: 19 tensors" in done.out
    assert "names are those within 'state_dict'" in done.out
    assert "optimizer (state of training)" in done.out
    assert "shared bytes, and each has its own now: " in done.out
    assert f"Created {released} version 2" in done.out
    assert vetted(team.alice, f"{released}@2").vetting.verdict == "pass"
    new = tmp_path / "new"
    team.alice.pull(f"{released}@2", new)
    assert tensors(new / "model.safetensors") == {n: each.data for n, each in SAMPLES.items()}
    for name in ("README.md", "config.json", ".notes.txt"):
        assert (new / name).read_bytes() == (checkpoint / name).read_bytes()
    assert sorted(path.name for path in new.iterdir()) == [
        *(".notes.txt", "README.md", "config.json", "hallmark.json", "model.safetensors"),
    ]
    lineage = hallmark("lineage", "show", f"{released}@2").out
    assert f"{released}@1  converted" in lineage
    old = team.alice.versions.get(f"{released}@1")
    assert (old.state, old.file_count) == ("released", 4)


def test_the_same_again_makes_nothing(hallmark: Hallmark, released: str, team: Team) -> None:
    """What is converted twice is the same, so there is no third version."""
    hallmark("convert", f"{released}@1", "--to", "safetensors")
    vetted(team.alice, f"{released}@2")
    again = hallmark("convert", f"{released}@1", "--to", "safetensors", "--json").json
    assert (again["push"]["created"], again["push"]["version"]["number"]) == (False, 2)
    assert again["replaced"] == ["pytorch_model.bin"]
    assert again["files"][0]["left_out_count"] == 5
    refused = hallmark("convert", f"{released}@2", "--to", "safetensors", code=1)
    assert f"{released}@2 was not converted. Nothing to convert: found" in refused.err


def test_a_dry_run_pushes_nothing(hallmark: Hallmark, released: str, team: Team) -> None:
    """It converts and compares, and says where the result would go."""
    other = team.model("other")
    done = hallmark("convert", f"{released}@1", "--to", "safetensors", "--into", other, "--dry-run")
    assert "compared and the same" in done.out
    assert f"Would push it to {other} as made from {released}@1; nothing was pushed." in done.out
    assert len(list(team.alice.versions.list(released))) == 1


def test_into_another_model(hallmark: Hallmark, released: str, team: Team) -> None:
    """Which is created, as by any push."""
    other = team.model("other")
    hallmark("convert", f"{released}@1", "--to", "safetensors", "--into", other)
    version = team.alice.versions.get(f"{other}@1")
    assert [(base.version, base.kind) for base in version.spec.bases] == [
        (f"models/{released}/versions/1", "converted")
    ]


@pytest.fixture
def workplaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    folder = tmp_path / "workplaces"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_what_cannot_be_converted_leaves_nothing(
    hallmark: Hallmark, team: Team, checkpoint: Path, workplaces: Path
) -> None:
    """The reason is told with the file, and the temporary folder is gone."""
    (checkpoint / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    hallmark("push", str(checkpoint), team.model())
    vetted(team.alice, f"{team.model()}@1")
    refused = hallmark("convert", f"{team.model()}@1", "--to", "safetensors", code=1)
    assert "it would become model.safetensors, which is there already" in refused.err
    assert list(workplaces.iterdir()) == []
    assert len(list(team.alice.versions.list(team.model()))) == 1


def test_local_files_need_no_server(command: CommandLine, checkpoint: Path, tmp_path: Path) -> None:
    """A new folder that is whole, with all else copied; the old one as it was."""
    (checkpoint / "older.pth").write_bytes(older({"a": Sample()}))
    before = {path.name: path.read_bytes() for path in checkpoint.iterdir()}
    out = tmp_path / "out"
    words = ("convert", str(checkpoint), "--to", "safetensors", "--out", str(out))
    done = command(*words)
    assert (done.code, done.out.splitlines()[-1]) == (0, f"Wrote {out}")
    assert tensors(out / "model.safetensors") == {n: each.data for n, each in SAMPLES.items()}
    assert tensors(out / "older.safetensors") == {"a": Sample().data}
    assert (out / "config.json").read_bytes() == before["config.json"]
    assert not (out / "pytorch_model.bin").exists()
    assert {path.name: path.read_bytes() for path in checkpoint.iterdir()} == before
    assert out.stat().st_mode & 0o777 == checkpoint.stat().st_mode & 0o777
    again = command(*words)
    assert (again.code, "found something there" in again.err) == (1, True)
    alone = command("convert", str(checkpoint / "older.pth"), *words[2:-1], str(tmp_path / "one"))
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["older.safetensors"], alone
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_shards_are_told_with_their_index(command: CommandLine, tmp_path: Path) -> None:
    """What became of each, and what was made anew."""
    folder = tmp_path / "shards"
    folder.mkdir()
    names = [f"pytorch_model-0000{number}-of-00002.bin" for number in (1, 2)]
    for tensor, name in zip("ab", names, strict=True):
        (folder / name).write_bytes(archived({tensor: Sample()}))
    index = {"metadata": {}, "weight_map": dict(zip("ab", names, strict=True))}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    out = tmp_path / "out"
    done = command("convert", str(folder), "--to", "safetensors", "--out", str(out))
    assert "  gone: pytorch_model.bin.index.json\n" in done.out
    assert "  made anew: model.safetensors.index.json\n" in done.out
    weights = json.loads((out / "model.safetensors.index.json").read_text())["weight_map"]
    assert [tensors(out / weights[name]) for name in "ab"] == [
        {name: Sample().data} for name in "ab"
    ]


def test_where_to_is_asked(command: CommandLine, checkpoint: Path, tmp_path: Path) -> None:
    """A local folder needs --out, and takes nothing that is for versions."""
    asked = command("convert", str(checkpoint), "--to", "safetensors")
    assert (asked.code, "add --out FOLDER" in asked.err) == (2, True)
    words = ("convert", str(checkpoint), "--to", "safetensors", "--out", str(tmp_path / "o"))
    assert command(*words, "--into", "a/b").code == 2
    version = command("convert", "a/b@1", *words[2:])
    assert (version.code, "hallmark pull a/b@1 FOLDER" in version.err) == (2, True)
    dry = command(*words[:-2], "--dry-run")
    assert (dry.code, "Nothing was written" in dry.out) == (0, True)


def test_a_failure_leaves_no_folder(command: CommandLine, checkpoint: Path, tmp_path: Path) -> None:
    """Neither the one that was asked for nor one beside it."""
    (checkpoint / "bad.pt").write_bytes(archived({"a": Sample(shape=(99,))}))
    before = sorted(tmp_path.iterdir())
    words = ("convert", str(checkpoint), "--to", "safetensors", "--out", str(tmp_path / "out"))
    done = command(*words)
    assert (done.code, "bad.pt: TORCH-1" in done.err) == (1, True)
    assert sorted(tmp_path.iterdir()) == before
    assert command(*words, "--without", "bad.pt").code == 0
    assert not (tmp_path / "out/bad.pt").exists()


def test_ctrl_c_leaves_no_folder(checkpoint: Path, tmp_path: Path) -> None:
    """Interrupted in the middle it says so, and all that it made is gone."""
    before_signal = signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "registry.cli", "convert", str(checkpoint)),
            *("--to", "safetensors", "--out", str(tmp_path / "out")),
        ],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HALLMARK_CONFIG": str(tmp_path / "config")},
    )
    signal.signal(signal.SIGINT, before_signal)
    until = time.monotonic() + 60
    # Its folder is there from the beginning, and takes the other's name in the end.
    while not list(tmp_path.glob(".out.hallmark-*")):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted; nothing was converted" in err
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "config") == [
        "checkpoint"
    ]
