"""Which files of a folder are pushed, which are left out and told, and what is refused."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from registry.client.errors import FileChangedError, InvalidRequestError
from registry.client.parallel import Crew
from registry.client.progress import Silent
from registry.client.scan import LocalFile, Scan, check_unchanged, hash_files, scan


def make(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def paths_of(found: Scan) -> list[str]:
    return [file.path for file in found.files]


def test_a_folder(tmp_path: Path) -> None:
    """All files below a folder come, in the order of their paths, under paths from its root."""
    make(tmp_path, "b.txt", "a/x.bin", "a/deep/y.bin")
    assert paths_of(scan([tmp_path])) == ["a/deep/y.bin", "a/x.bin", "b.txt"]


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    """Git's files, junk, hidden files and what pull wrote stay here, each with the reason."""
    make(
        tmp_path,
        "model.bin",
        ".git/HEAD",
        ".gitattributes",
        "__pycache__/x.pyc",
        "sub/.DS_Store",
        ".env",
        "notes.txt~",
    )
    (tmp_path / "hallmark.json").write_text('{"schema": "hallmark.pull.v1"}')
    found = scan([tmp_path])
    assert paths_of(found) == ["model.bin"]
    assert {each.path: each.why for each in found.left_out} == {
        ".env": "hidden",
        ".git/": "Git's own",
        ".gitattributes": "Git's own",
        "__pycache__/": "junk",
        "hallmark.json": "written by hallmark pull",
        "notes.txt~": "junk",
        "sub/.DS_Store": "junk",
    }


def test_hidden_files_on_request(tmp_path: Path) -> None:
    """Hidden files come when asked for, Git's never."""
    make(tmp_path, "model.bin", ".env", ".git/HEAD")
    assert paths_of(scan([tmp_path], hidden=True)) == [".env", "model.bin"]


def test_a_file_of_the_same_name_as_the_record(tmp_path: Path) -> None:
    """A hallmark.json that pull did not write is a file like any other."""
    make(tmp_path, "hallmark.json")
    assert paths_of(scan([tmp_path])) == ["hallmark.json"]


def test_files_and_folders_by_name(tmp_path: Path) -> None:
    """Several sources come under their own names."""
    make(tmp_path, "a.bin", "sub/b.bin", "other/c.bin")
    found = scan([tmp_path / "a.bin", tmp_path / "sub"])
    assert paths_of(found) == ["a.bin", "sub/b.bin"]


def test_links_to_files_are_followed_and_to_folders_left_out(tmp_path: Path) -> None:
    """A snapshot made of links is pushed with its content; a folder's link may lead in circles."""
    make(tmp_path, "store/blob", "model/x.txt")
    (tmp_path / "model" / "weights.safetensors").symlink_to(tmp_path / "store" / "blob")
    (tmp_path / "model" / "loop").symlink_to(tmp_path / "model")
    found = scan([tmp_path / "model"])
    assert paths_of(found) == ["weights.safetensors", "x.txt"]
    assert [(each.path, each.why) for each in found.left_out] == [("loop/", "a link to a folder")]


@pytest.mark.parametrize("name", ["aux.txt", "a:b", "end.", "x\ny", "\u202eevil"])
def test_names_that_no_version_may_have(tmp_path: Path, name: str) -> None:
    """A path that is unsafe anywhere is refused before anything is read."""
    make(tmp_path, "ok.txt", name)
    with pytest.raises(InvalidRequestError) as caught:
        scan([tmp_path])
    assert caught.value.reason == "INVALID_FIELD"


def test_names_that_collide(tmp_path: Path) -> None:
    """Two names that one file system would hold for the same are refused together."""
    make(tmp_path, "Model.bin", "model.bin")
    with pytest.raises(InvalidRequestError, match=r"Model\.bin"):
        scan([tmp_path])


def test_sources_that_cannot_be_pushed(tmp_path: Path) -> None:
    """Nothing there, nothing in it, a link to nowhere and a pipe are each named."""
    with pytest.raises(InvalidRequestError, match="nothing"):
        scan([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidRequestError, match="no file to push"):
        scan([tmp_path / "empty"])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x").symlink_to(tmp_path / "gone")
    with pytest.raises(InvalidRequestError, match="leads nowhere"):
        scan([tmp_path / "broken"])
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "x")
    with pytest.raises(InvalidRequestError, match="no regular file"):
        scan([tmp_path / "pipe"])


def test_hashes(tmp_path: Path) -> None:
    """Every file gets its sha256, size and media type, in the order given."""
    make(tmp_path, "a.json", "b.bin")
    (tmp_path / "b.bin").write_bytes(b"x" * 3_000_001)
    hashed = hash_files(scan([tmp_path]).files, crew=Crew(), progress=Silent())
    assert [file.media_type for file in hashed] == ["application/json", "application/octet-stream"]
    assert hashed[1].sha256 == hashlib.sha256(b"x" * 3_000_001).hexdigest()
    assert hashed[1].size_bytes == 3_000_001


def found_file(tmp_path: Path) -> LocalFile:
    make(tmp_path, "a.bin")
    return scan([tmp_path]).files[0]


def test_a_file_that_grows(tmp_path: Path) -> None:
    """A file that is longer than it was found is refused with both sizes."""
    file = found_file(tmp_path)
    file.source.write_text("more than before")
    with pytest.raises(FileChangedError, match="16 bytes instead of 5"):
        hash_files([file], crew=Crew(), progress=Silent())


def test_a_file_that_is_replaced_or_gone(tmp_path: Path) -> None:
    """A file of the same size written anew, and one that vanished, are both noticed."""
    file = found_file(tmp_path)
    other = tmp_path / "other"
    other.write_text("A.BIN")
    os.replace(other, file.source)
    with pytest.raises(FileChangedError, match="replaced"):
        check_unchanged([file])
    file.source.unlink()
    with pytest.raises(FileChangedError, match="cannot be read"):
        check_unchanged([file])
