"""Readiness: the assessor of a server, and the same over local files without one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from registry.config import Settings
from registry.domain.readiness import Report
from registry.errors import StartError
from registry.jail.process import NoJailError
from registry.ports.blobs import BlobStore
from registry.ports.readiness import HinderedError
from registry.serving.assessing import assess
from registry.serving.assessor import TritonAssessor
from registry.serving.releases import (
    FILE,
    Release,
    ReleasesError,
    parse_releases,
    release,
    shipped_releases,
)
from registry.serving.work_folder import PREFIX
from registry.vetting.folder import files_of

#: Of a server's home.
WORK_DIR = "work"

__all__ = ["HinderedError", "assessor_of", "check_folder", "model_folder"]


def assessor_of(settings: Settings, blobs: BlobStore) -> TritonAssessor:
    return TritonAssessor(
        blobs=blobs,
        releases=releases_of(settings.policy_dir),
        work_dir=settings.home / WORK_DIR,
        bare=settings.bare_vetting,
    )


def releases_of(policy_dir: Path | None) -> Mapping[str, Release]:
    """Those of the operator's policy folder, or where that has no such file those that come along.
    Raises StartError for a file that lists none."""
    file = None if policy_dir is None else policy_dir / FILE
    if file is None or not file.exists():
        return shipped_releases()
    try:
        return parse_releases(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ReleasesError) as error:
        raise StartError(
            what=f"Triton's releases in {file}",
            found=str(error),
            fix="Correct the file, or remove it to know those that come with Hallmark.",
        ) from error


def clear_work(home: Path) -> None:
    """Make the folder that files are laid out in, and remove what a killed server left there.
    Raises StartError."""
    folder = home / WORK_DIR
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for left in folder.glob(f"{PREFIX}*"):
            shutil.rmtree(left)
    except OSError as error:
        raise StartError(
            what=f"Folder {folder}",
            found=f"it cannot be made or cleared: {error.strerror}",
            fix="Give the server the right to write there.",
        ) from error


def check_folder(
    path: Path,
    *,
    releases: Sequence[str],
    name: str = "",
    run: bool = True,
    bare: bool = False,
) -> list[Report]:
    """`hallmark ready check`: a file or folder as if it were pushed, with a report for each
    release, in their order.

    `name` is the model's in Triton, else that of the folder or file. Without `run` no model is run.
    `bare`: also where this machine cannot close the jail; else HinderedError. InvalidFieldError for
    a release that is not known, InvalidRequestError for a folder with links or devices in it.
    """
    known = shipped_releases()
    asked = [release(known, each) for each in releases]
    files_of([path])
    with model_folder(path) as folder:
        try:
            return assess(folder, asked, name=name or path.resolve().stem, run=run, bare=bare)
        except NoJailError as error:
            raise HinderedError(str(error)) from error


@contextmanager
def model_folder(path: Path) -> Iterator[Path]:
    """The folder itself; of a single file, one with nothing but a copy of that."""
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix=PREFIX) as made:
        shutil.copyfile(path, Path(made, path.name))
        yield Path(made)
