"""Push and pull against a real server: what is created, sent, verified, and left alone."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from registry.client import Base, Dataset
from registry.client.errors import (
    FailedPreconditionError,
    FileChangedError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    TargetError,
)
from registry.client.progress import FileStep
from registry.client.values import CodeRevision
from registry.testing.people import Team, vetted
from registry.testing.sound import weights

pytestmark = pytest.mark.slow


class Recorder:
    """Remembers what it was told; `during` runs once at the first byte of a step."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.totals: dict[str, int] = {}
        self.done: dict[str, int] = {}
        self.during: dict[str, object] = {}
        self._lock = threading.Lock()

    def begin(self, step: str, files: Sequence[FileStep]) -> None:
        self.steps.append(step)
        self.totals[step] = sum(file.size_bytes for file in files)
        self.done[step] = sum(file.done_bytes for file in files)

    def advance(self, path: str, count: int) -> None:
        with self._lock:
            step = self.steps[-1]
            self.done[step] += count
            hook = self.during.pop(step, None)
        if callable(hook):
            hook()

    def end(self) -> None:
        return


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "hallmark.json"
    }


def test_three_lines_of_a_training_script(team: Team, folder: Path, tmp_path: Path) -> None:
    """A folder is pushed with metrics and base, and comes back byte for byte."""
    team.alice.push(folder, team.model("base"))
    result = team.alice.push(
        folder, team.model(), metrics={"auc": 0.93}, base=f"{team.model('base')}@1"
    )
    assert result.created
    assert result.model_created
    assert result.version is not None
    assert result.version.ref == f"{team.model()}@1"
    assert vetted(team.alice, result.version.ref).state == "released"
    pulled = team.alice.pull(f"{team.model()}@1", tmp_path / "out")
    assert content_of(tmp_path / "out") == content_of(folder)
    assert pulled.received_bytes == pulled.size_bytes == result.size_bytes


def test_all_that_is_said_of_a_version_arrives(team: Team, folder: Path) -> None:
    """Description, parameters, metrics, data sets, code, run and bases are stored as given."""
    team.alice.push(folder, team.model("base"))
    result = team.alice.push(
        folder,
        team.model(),
        description="weekly",
        parameters={"lr": 0.1, "epochs": 3},
        metrics={"auc": 0.5},
        datasets=[Dataset(name="july", digest="sha256:" + "a" * 64, role="train")],
        code=CodeRevision(repository="git@corp:scorer", revision="abc", dirty=True),
        run_url="https://runs.corp/1",
        base=[Base(version=f"{team.model('base')}@1", kind="adapter")],
        message="first",
    )
    assert result.version is not None
    spec = result.version.spec
    assert (spec.description, spec.run_url) == ("weekly", "https://runs.corp/1")
    assert spec.parameters == {"lr": "0.1", "epochs": "3"}
    assert spec.metrics == {"auc": 0.5}
    assert spec.datasets[0].name == "july"
    assert spec.code == CodeRevision(repository="git@corp:scorer", revision="abc", dirty=True)
    assert spec.bases == (Base(version=f"models/{team.model('base')}/versions/1", kind="adapter"),)
    assert team.alice.commits.get(team.model(), result.version.commit).message == "first"


def test_the_card_makes_the_model(team: Team, folder: Path) -> None:
    """A model that is missing gets its fields from the card's block."""
    result = team.alice.push(folder, team.model())
    made = team.alice.models.get(team.model())
    assert (made.license, made.task, made.library) == ("mit", "tabular-classification", "onnx")
    assert (made.tags, made.languages) == (("fraud",), ("no",))
    assert result.card_missing == ()


def test_what_a_card_lacks_is_told(team: Team, folder: Path) -> None:
    """The result says which fields a card lacks, or that there is none."""
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Scorer\n")
    missing = team.alice.push(folder, team.model()).card_missing
    assert missing == ("pipeline_tag", "library_name", "tags")
    (folder / "README.md").unlink()
    assert team.alice.push(folder, team.model()).card_missing == ("README.md",)


def test_a_card_that_cannot_be_read_creates_nothing(team: Team, folder: Path) -> None:
    """A broken block is refused with its line, before anything is sent."""
    (folder / "README.md").write_text("---\nlicense: [mit\n---\n")
    with pytest.raises(InvalidRequestError, match="line 3"):
        team.alice.push(folder, team.model())
    with pytest.raises(NotFoundError):
        team.alice.models.get(team.model())


def test_a_second_push_sends_nothing(team: Team, folder: Path) -> None:
    """Equal files and words return the version there is; on request a new one, without a byte."""
    first = team.alice.push(folder, team.model(), metrics={"auc": 0.5})
    again = team.alice.push(folder, team.model(), metrics={"auc": 0.5})
    assert first.sent_bytes == first.size_bytes
    assert not again.created
    assert again.version is not None
    assert again.version.number == 1
    recorder = Recorder()
    new = team.alice.push(folder, team.model(), metrics={"auc": 0.5}, new=True, progress=recorder)
    assert new.version is not None
    assert (new.version.number, new.sent_bytes) == (2, 0)
    assert recorder.steps == ["hash"]


def test_other_words_of_the_same_files_are_another_version(team: Team, folder: Path) -> None:
    """New metrics make a new version, of bytes that are not sent again."""
    team.alice.push(folder, team.model(), metrics={"auc": 0.5})
    other = team.alice.push(folder, team.model(), metrics={"auc": 0.6})
    assert other.version is not None
    assert (other.version.number, other.sent_bytes) == (2, 0)


def test_only_what_changed_is_sent(team: Team, folder: Path) -> None:
    """One changed file costs its own bytes and no others."""
    team.alice.push(folder, team.model())
    (folder / "config.json").write_text('{"a": 1}')
    assert team.alice.push(folder, team.model()).sent_bytes == 8


def test_equal_files_are_sent_once(team: Team, folder: Path) -> None:
    """Files of equal bytes share their way up, and both are there afterwards."""
    data = (folder / "onnx" / "model.safetensors").read_bytes()
    (folder / "copy.safetensors").write_bytes(data)
    result = team.alice.push(folder, team.model())
    assert result.size_bytes - result.sent_bytes == len(data)
    assert len(result.files) == 4


def test_empty_files_and_odd_names_come_back(team: Team, folder: Path, tmp_path: Path) -> None:
    """An empty file, deep folders and names of any script survive the way there and back."""
    for path in ("empty.txt", "a/b/c/deep.txt", "ñandú/模型 1.txt"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"" if path == "empty.txt" else path.encode())
    team.alice.push(folder, team.model())
    vetted(team.alice, f"{team.model()}@1")
    team.alice.pull(f"{team.model()}@1", tmp_path / "out")
    assert content_of(tmp_path / "out") == content_of(folder)


def test_a_dry_run_changes_nothing(team: Team, folder: Path) -> None:
    """A dry run says what would be, and leaves neither model nor version."""
    result = team.alice.push(folder, team.model(), dry_run=True)
    assert (result.version, result.created, result.model_created) == (None, True, True)
    with pytest.raises(NotFoundError):
        team.alice.models.get(team.model())


def test_a_missing_model_is_not_created_against_the_callers_word(team: Team, folder: Path) -> None:
    """Without leave to create it, a missing model refuses the push."""
    with pytest.raises(NotFoundError):
        team.alice.push(folder, team.model(), create_model=False)


def test_who_may_not_push_learns_it_before_anything_is_read(team: Team, folder: Path) -> None:
    """Lacking rights refuse a push before its files are hashed."""
    team.alice.push(folder, team.model())
    recorder = Recorder()
    with pytest.raises(PermissionDeniedError):
        team.alice.push(folder, "elsewhere/scorer", progress=recorder)
    assert recorder.steps == []


def test_an_unknown_base_creates_nothing(team: Team, folder: Path) -> None:
    """A base that is not there refuses the push before its files are read."""
    with pytest.raises(NotFoundError):
        team.alice.push(folder, team.model(), base=f"{team.model('none')}@1")


@pytest.mark.parametrize("step", ["hash", "send"])
def test_a_file_that_changes_during_the_push(team: Team, folder: Path, step: str) -> None:
    """A file that is written to while it is pushed is named, and no version is created."""
    big = folder / "weights.safetensors"
    big.write_bytes(weights(os.urandom(8_000_000)))
    recorder = Recorder()

    def write() -> None:
        with big.open("r+b") as file:
            file.write(b"changed")

    recorder.during[step] = write
    with pytest.raises(FileChangedError, match=r"weights\.safetensors"):
        team.alice.push(folder, team.model(), progress=recorder)
    listed = [] if step == "hash" else list(team.alice.versions.list(team.model()))
    assert listed == []


def test_progress_adds_up(team: Team, folder: Path, tmp_path: Path) -> None:
    """Every step tells as many bytes as it has, no more and no fewer."""
    recorder = Recorder()
    team.alice.push(folder, team.model(), progress=recorder)
    vetted(team.alice, f"{team.model()}@1")
    team.alice.pull(f"{team.model()}@1", tmp_path / "out", progress=recorder)
    team.alice.pull(f"{team.model()}@1", tmp_path / "out", progress=recorder)
    assert recorder.steps == ["hash", "send", "fetch", "hash"]
    assert recorder.done == recorder.totals


# --- Pull -----------------------------------------------------------------------------------------


@pytest.fixture
def released(team: Team, folder: Path) -> str:
    team.alice.push(folder, team.model())
    return vetted(team.alice, f"{team.model()}@1").ref


def test_the_record_says_where_it_came_from(team: Team, released: str, tmp_path: Path) -> None:
    """A pulled folder names its version, digest, reference, server and files."""
    version = team.alice.pull(released, tmp_path / "out").version
    record = json.loads((tmp_path / "out" / "hallmark.json").read_text())
    assert record["digest"] == version.digest
    assert (record["version"], record["reference"]) == (released, released)
    assert record["server"] == team.server.http_url
    assert [file["path"] for file in record["files"]] == [
        "README.md",
        "config.json",
        "onnx/model.safetensors",
    ]


def test_a_pulled_folder_is_pushed_as_the_same_version(
    team: Team, released: str, tmp_path: Path
) -> None:
    """What pull adds is not pushed, so the digest stays."""
    team.alice.pull(released, tmp_path / "out")
    assert not team.alice.push(tmp_path / "out", team.model()).created


def test_a_second_pull_reads_and_fetches_nothing(team: Team, released: str, tmp_path: Path) -> None:
    """A target that is this version already is verified again and left alone."""
    team.alice.pull(released, tmp_path / "out")
    again = team.alice.pull(released, tmp_path / "out")
    assert (again.already_there, again.received_bytes) == (True, 0)


def test_an_empty_folder_is_filled(team: Team, released: str, tmp_path: Path) -> None:
    """An empty target is replaced, and nothing is left beside it."""
    target = tmp_path / "place" / "out"
    target.mkdir(parents=True)
    team.alice.pull(released, target, sync=True)
    assert [path.name for path in target.parent.iterdir()] == ["out"]


def test_a_damaged_target_is_not_mended_in_place(team: Team, released: str, tmp_path: Path) -> None:
    """A pulled folder that was changed since is refused with the file, and stays as it is."""
    team.alice.pull(released, tmp_path / "out")
    damaged = tmp_path / "out" / "config.json"
    damaged.write_text("[]")
    with pytest.raises(TargetError, match=r"config\.json"):
        team.alice.pull(released, tmp_path / "out")
    assert damaged.read_text() == "[]"


def test_targets_that_are_refused(
    team: Team, released: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file, a folder with other content and the folder one is in are refused untouched."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for target in ("file", "full", "here"):
        with pytest.raises(TargetError):
            team.alice.pull(released, tmp_path / target)
    assert (tmp_path / "full" / "mine").read_text() == "mine"
    assert list((tmp_path / "here").iterdir()) == []


def test_another_version_does_not_replace_a_pulled_one(
    team: Team, released: str, folder: Path, tmp_path: Path
) -> None:
    """A target that holds another version is refused with its name."""
    team.alice.pull(released, tmp_path / "out")
    (folder / "config.json").write_text("[1]")
    team.alice.push(folder, team.model())
    vetted(team.alice, f"{team.model()}@2")
    with pytest.raises(TargetError, match=f"{released} "):
        team.alice.pull(f"{team.model()}@2", tmp_path / "out")


def test_what_is_not_released_stays_there(team: Team, released: str, tmp_path: Path) -> None:
    """A yanked version goes to those who name its digest, and to nobody else."""
    version = team.alice.versions.yank(released, "bad data")
    with pytest.raises(FailedPreconditionError):
        team.alice.pull(released, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    team.alice.pull(f"{team.model()}@{version.digest}", tmp_path / "out")
    assert (tmp_path / "out" / "config.json").read_text() == "{}"


def test_a_pull_without_rights(team: Team, released: str, tmp_path: Path) -> None:
    """The administrator reads metadata and gets no bytes, and nothing is left of the try."""
    with pytest.raises(PermissionDeniedError):
        team.admin.pull(released, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_pulls_into_one_place(team: Team, released: str, tmp_path: Path) -> None:
    """While one pull fills a target, another to the same place is refused."""
    recorder = Recorder()
    refused: list[Exception] = []

    def second() -> None:
        with pytest.raises(TargetError, match="another pull") as caught:
            team.alice.pull(released, tmp_path / "out")
        refused.append(caught.value)

    recorder.during["fetch"] = second
    team.alice.pull(released, tmp_path / "out", progress=recorder)
    assert len(refused) == 1
    assert (tmp_path / "out" / "config.json").is_file()


def test_more_files_than_one_call_takes(
    team: Team, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session is opened, and addresses are asked for, in as many calls as it takes."""
    monkeypatch.setattr("registry.client.push.UPLOAD_FILES_MAX", 2)
    monkeypatch.setattr("registry.client.pull.DOWNLOAD_PATHS_MAX", 2)
    for number in range(5):
        (folder / f"part-{number}.safetensors").write_bytes(weights(os.urandom(1000)))
    assert team.alice.push(folder, team.model()).sent_bytes > 5000
    assert team.alice.push(folder, team.model(), new=True).sent_bytes == 0
    vetted(team.alice, f"{team.model()}@1")
    team.alice.pull(f"{team.model()}@1", tmp_path / "out")
    assert content_of(tmp_path / "out") == content_of(folder)
