"""From a look at one file to the result that is kept of it."""

from __future__ import annotations

import dataclasses

from registry.domain.inspections import FileResult, Lot, Subject
from registry.domain.versions import Verdict
from registry.vetting.judging import JudgedFile, vouched_for
from registry.vetting.structure import missing_bytes


def result_of(
    lot: Lot, subject: Subject, judged: JudgedFile, *, rules: str, now_us: int
) -> FileResult:
    """What is kept of a file of a lot."""
    listed = lot.files_digest if judged.depends_on_files else ""
    return FileResult(
        subject=subject._replace(files_digest=listed),
        rules_digest=rules,
        verdict=judged.verdict,
        format=judged.format,
        size_bytes=judged.size_bytes,
        found_sha256=judged.sha256,
        findings=tuple(dataclasses.replace(each, path="") for each in judged.findings),
        vouches_for=vouched_for(judged),
        facts=judged.facts,
        time_us=now_us,
    )


def result_of_none(subject: Subject, *, rules: str, now_us: int) -> FileResult:
    """What is kept of a file whose bytes are not in the store."""
    return FileResult(
        subject=subject,
        rules_digest=rules,
        verdict=Verdict.FAIL,
        findings=(missing_bytes(),),
        time_us=now_us,
    )
