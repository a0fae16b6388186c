"""A version's verdict, composed of what is known of each of its files.

What a file is does not change with the version that holds it, so results are kept by bytes
(`registry/domain/inspections.py`) and only what is not known yet is looked at.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence

from registry.domain.file_formats import role_of
from registry.domain.inspections import FileResult, Subject, beside, files_digest
from registry.domain.manifests import ManifestFile
from registry.domain.versions import Finding, Verdict, Version, Vetting
from registry.ports.database import Database
from registry.ports.vetting import Inspector
from registry.vetting.recent import Recent
from registry.vetting.structure import check_bytes, check_names, crashed
from registry.vetting.vouching import is_uncovered

logger = logging.getLogger(__name__)

#: So many results of files that pass without a word are remembered; some 20 MB.
_REMEMBERED_MAX = 65_536
#: So many manifests; some 2 MB.
_PASSED_MAX = 8192


class StoredVetter:
    """Implements `registry/ports/vetting.py`. May be used by many threads."""

    def __init__(self, *, database: Database, inspector: Inspector) -> None:
        self._database = database
        self._inspector = inspector
        #: Manifests that pass without a word, by digest and rules: many versions have the files of
        #: another one.
        self._passed: Recent[tuple[str, str], bool] = Recent(_PASSED_MAX)
        #: Of the bytes alone, under one set of rules.
        self._sound: Recent[tuple[str, str, str], FileResult] = Recent(_REMEMBERED_MAX)

    @property
    def rules_digest(self) -> str:
        return self._inspector.rules_digest

    def vet(self, version: Version, files: tuple[ManifestFile, ...], now_us: int) -> Vetting | None:
        rules = self.rules_digest
        if self._passed.get((version.digest, rules)):
            return Vetting(verdict=Verdict.PASS, findings=(), rules_digest=rules, time_us=now_us)
        results = self._results(files, rules)
        if len(results) < len(files):
            self._inspector.want([version.digest])
            # One that answers at once has answered.
            results = self._results(files, rules)
            if len(results) < len(files):
                return None
        try:
            findings, verdict = compose(version.digest, files, results)
        except Exception:
            # Whatever a check trips over must not let the version out, nor stop the others.
            logger.exception("the check of %s crashed", version.name)
            findings, verdict = (crashed(),), Verdict.UNKNOWN
        if verdict is Verdict.PASS and all(map(_is_plainly_sound, results.values())):
            self._passed.put((version.digest, rules), True)
        return Vetting(verdict=verdict, findings=findings, rules_digest=rules, time_us=now_us)

    def _results(self, files: tuple[ManifestFile, ...], rules: str) -> Mapping[str, FileResult]:
        """Of each file of which something is known, by path."""
        found: dict[str, FileResult] = {}
        asked: dict[Subject, list[str]] = {}
        listed = ""
        for file in files:
            role = role_of(file.path)
            known = self._sound.get((file.sha256, role, rules))
            if known is not None:
                found[file.path] = known
            else:
                listed = listed or files_digest(files)
                asked.setdefault(Subject(file.sha256, role, listed), []).append(file.path)
        if asked:
            stored = self._database.read(lambda tx: tx.vetting.results(asked.keys(), rules))
            for subject, result in stored.items():
                found.update(dict.fromkeys(asked[subject], result))
                if _is_plainly_sound(result):
                    self._sound.put((subject.sha256, subject.role, rules), result)
        return found


def _is_plainly_sound(result: FileResult) -> bool:
    """Whether it says so for any version that has these bytes, and nothing else."""
    is_alone = not result.subject.files_digest and not result.vouches_for
    return is_alone and result.verdict is Verdict.PASS and not result.findings


def compose(
    digest: str, files: Sequence[ManifestFile], results: Mapping[str, FileResult]
) -> tuple[tuple[Finding, ...], Verdict]:
    """What is wrong with a version, the worst first, and its verdict: that of its worst file."""
    structure = [*check_names(digest, tuple(files))]
    verdicts = {Verdict.PASS}
    vouched_for = {
        path for way, result in results.items() for path in beside(way, result.vouches_for)
    }
    told: list[Finding] = []
    for file in files:
        result = results[file.path]
        structure += check_bytes(file, result)
        if file.path in vouched_for and is_uncovered(result.verdict, result.findings):
            continue
        verdicts.add(result.verdict)
        told += (dataclasses.replace(each, path=file.path) for each in result.findings)
    if structure:
        verdicts.add(Verdict.FAIL)
    findings = sorted([*structure, *told], key=lambda each: (not each.fails, not each.doubts))
    worst = next(each for each in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS) if each in verdicts)
    return tuple(findings), worst
