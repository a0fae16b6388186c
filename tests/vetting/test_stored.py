"""A version's verdict, composed of what is known of its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from registry.domain.inspections import FileResult, Subject
from registry.domain.manifests import Manifest, ManifestFile
from registry.domain.versions import Finding, Verdict
from registry.testing.world import manifest_file
from registry.vetting.stored import compose
from registry.vetting.structure import RULES, missing_bytes
from registry.vetting.vouching import UNCOVERED

FILES = tuple(manifest_file(path, path.encode()) for path in ("a.txt", "b/c.txt", "w.onnx"))
DOUBT = Finding(rule="R-1", message="?", fix="Mend.", fails=False, doubts=True)
FAULT = Finding(rule="R-2", message="!", fix="Mend.")
ADVICE = Finding(rule="R-3", message=".", fix="Mend.", fails=False)


def result_of(file: ManifestFile, **changes: object) -> FileResult:
    result = FileResult(
        subject=Subject(file.sha256, "text", ""),
        rules_digest="sha256:r",
        verdict=Verdict.PASS,
        format="text",
        size_bytes=file.size_bytes,
        found_sha256=file.sha256,
        time_us=5,
    )
    return replace(result, **changes)  # type: ignore[arg-type]


def composed(
    files: tuple[ManifestFile, ...] = FILES, **changes: Mapping[str, object]
) -> tuple[Verdict, list[tuple[str, str]]]:
    """With changes to the results of a, b and w."""
    names = {file.path[0]: file for file in files}
    results = {file.path: result_of(file, **changes.get(name, {})) for name, file in names.items()}
    findings, verdict = compose(Manifest(files=files).digest, files, results)
    return verdict, [(finding.rule, finding.path) for finding in findings]


def test_sound_files_pass() -> None:
    """Without a word."""
    assert composed() == (Verdict.PASS, [])


def test_a_version_is_as_bad_as_its_worst_file() -> None:
    """And what fails it is told first, what is advice last."""
    unknown = {"verdict": Verdict.UNKNOWN, "findings": (DOUBT,)}
    fail = {"verdict": Verdict.FAIL, "findings": (ADVICE, FAULT)}
    assert composed(a={"findings": (ADVICE,)}) == (Verdict.PASS, [("R-3", "a.txt")])
    assert composed(b=unknown) == (Verdict.UNKNOWN, [("R-1", "b/c.txt")])
    expected = [("R-2", "w.onnx"), ("R-1", "b/c.txt"), ("R-3", "w.onnx")]
    assert composed(b=unknown, w=fail) == (Verdict.FAIL, expected)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"size_bytes": 99}, "STRUCT-3"),
        ({"found_sha256": "0" * 64}, "STRUCT-4"),
        ({"verdict": Verdict.FAIL, "findings": (missing_bytes(),), "found_sha256": ""}, "STRUCT-2"),
    ],
)
def test_bytes_that_are_others_than_the_manifest_says_fail(
    change: Mapping[str, object], rule: str
) -> None:
    """Whatever a parser said of them."""
    assert composed(b=change) == (Verdict.FAIL, [(rule, "b/c.txt")])


@pytest.mark.parametrize("paths", [("../a",), ("a\0",), ("a", "A"), ("a", "a/b"), (".git/x",)])
def test_names_that_cannot_lie_in_one_folder_fail(paths: tuple[str, ...]) -> None:
    files = tuple(manifest_file(path, path.encode()) for path in paths)
    results = {file.path: result_of(file) for file in files}
    findings, verdict = compose(Manifest(files=files).digest, files, results)
    assert verdict is Verdict.FAIL
    assert {finding.rule for finding in findings} == {"STRUCT-1"}
    assert all(finding.fix for finding in findings)


def test_another_manifest_fails() -> None:
    """One that does not hash to the digest of the version."""
    results = {file.path: result_of(file) for file in FILES}
    for _ in range(2):
        findings, verdict = compose("sha256:" + "0" * 64, FILES, results)
        assert (verdict, [finding.rule for finding in findings]) == (Verdict.FAIL, ["STRUCT-5"])


def test_a_model_vouches_for_its_tensors() -> None:
    """Bytes that no parser covers pass where a model that passes has said what they are."""
    uncovered = Finding(rule=UNCOVERED, message="?", fix="Mend.", fails=False, doubts=True)
    data = {"verdict": Verdict.UNKNOWN, "findings": (uncovered,)}
    vouching = {"vouches_for": ("b/c.txt",)}
    assert composed(b=data)[0] is Verdict.UNKNOWN
    assert composed(b=data, w=vouching) == (Verdict.PASS, [])
    assert composed(b=data, w={"vouches_for": ("c.txt",)})[0] is Verdict.UNKNOWN
    # What is wrong with them beside that nobody can make good.
    worse = {"verdict": Verdict.UNKNOWN, "findings": (uncovered, DOUBT)}
    assert composed(b=worse, w=vouching)[0] is Verdict.UNKNOWN


def test_each_rule_has_a_promise() -> None:
    assert all(id.startswith("STRUCT-") and said.endswith(".") for id, said in RULES.items())
