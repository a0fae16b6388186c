"""Files that others vouch for: a model of the same version has said what each of their bytes is."""

from __future__ import annotations

from collections.abc import Sequence

from registry.domain.versions import Finding, Verdict

#: The rule of the parsers' that no parser covers the format (`registry/formats/inspect.py`, which
#: is not imported by servers).
UNCOVERED = "FILE-2"
#: What tensors of an ONNX model are that lie in a file of their own.
EXTERNAL_DATA = "onnx-external-data"


def is_uncovered(verdict: Verdict, findings: Sequence[Finding]) -> bool:
    """Whether the one thing against a file is that no parser covers it, which another file's
    parser may make good: it has told where each piece lies, and found it within the file."""
    rules = {finding.rule for finding in findings}
    return verdict is Verdict.UNKNOWN and rules == {UNCOVERED}
