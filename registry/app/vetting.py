"""Vetting without a server: the same parsers in the same jail, over local files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from registry.app.tools import tools_of
from registry.domain.versions import Verdict
from registry.jail.check import Layer, jail_check
from registry.jail.handing import open_file
from registry.jail.process import Limits, NoJailError
from registry.vetting.folder import files_of
from registry.vetting.judging import JudgedFile, judge, verdict_of
from registry.vetting.structure import bad_names

__all__ = ["JudgedFile", "Layer", "NoJailError", "check_files", "jail_check", "verdict_of"]


def check_files(
    paths: Sequence[Path], *, bare: bool, clamav: Path | None = None, yara: Path | None = None
) -> Iterator[JudgedFile]:
    """`hallmark vet check`: each file of these paths as if they were pushed together, its name
    included.

    `bare`: also where this machine cannot close the jail; else NoJailError. `clamav` is the path of
    clamd's socket, `yara` a folder of rules. InvalidRequestError where a path is no file or folder,
    StartError where rules cannot be used.
    """
    files = files_of(paths)
    sizes = {name: path.lstat().st_size for name, path in files.items()}
    bad = bad_names(sizes)
    for judged in judge(
        sizes,
        lambda name: open_file(files[name]),
        dataclasses.replace(Limits(), bare=bare),
        tools_of(clamav, yara, yara_option="--yara (HALLMARK_YARA_DIR)"),
    ):
        if judged.path not in bad:
            yield judged
            continue
        findings = (dataclasses.replace(bad[judged.path], path=judged.path), *judged.findings)
        yield dataclasses.replace(judged, verdict=Verdict.FAIL, findings=findings)
