"""What a server and its inspecting process say to each other, as JSON and back.

Law: `result_from_json(json of result_as_json(value)) == value`, and the same of lots.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from registry.domain.inspections import FileResult, Lot, Subject
from registry.domain.versions import Finding, Verdict


def lot_as_json(lot: Lot | None) -> Mapping[str, Any] | None:
    return None if lot is None else dataclasses.asdict(lot)


def lot_from_json(value: Mapping[str, Any] | None) -> Lot | None:
    if value is None:
        return None
    files = tuple((path, Subject(*subject)) for path, subject in value["files"])
    return Lot(**{**value, "files": files})


def result_as_json(result: FileResult) -> Mapping[str, Any]:
    return {**dataclasses.asdict(result), "verdict": result.verdict.value}


def result_from_json(value: Mapping[str, Any]) -> FileResult:
    return FileResult(
        **{
            **value,
            "subject": Subject(*value["subject"]),
            "verdict": Verdict(value["verdict"]),
            "findings": tuple(Finding(**each) for each in value["findings"]),
            "vouches_for": tuple(value["vouches_for"]),
        }
    )
