"""What is printed of an error: every failed rule with its mend, or the message; or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from registry.cli.output import as_json, table
from registry.errors import FieldViolation, PreconditionViolation


class Failure(Protocol):
    """What the client's errors and the shared checks' errors have in common."""

    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def metadata(self) -> dict[str, str]: ...
    @property
    def field_violations(self) -> tuple[FieldViolation, ...]: ...
    @property
    def precondition_violations(self) -> tuple[PreconditionViolation, ...]: ...


def error_lines(error: Failure) -> list[str]:
    """What to print: the message, or for a policy every failed rule with its mend."""
    if error.reason != "POLICY_REFUSED" or not error.precondition_violations:
        return str(error).splitlines() or [error.reason]
    waiting = error.metadata.get("waiting", "")
    failed = [
        (each.type, each.description, each.fix)
        for each in error.precondition_violations
        if each.type not in waiting.split(", ")
    ]
    total = error.metadata.get("total", str(len(failed)))
    gate = error.metadata.get("gate", "")
    # Nobody can decide before these pass.
    later = [f"Then it waits for decisions: {waiting}."] if waiting else []
    return [
        f"Refused by policy {gate} ({len(failed)} of {total} rules):",
        *rule_lines(failed),
        *later,
        "Nothing changed.",
    ]


def rule_lines(rules: Sequence[tuple[str, str, str]]) -> list[str]:
    """Rule, what is wrong, and below it what mends that."""
    lines = table([(f"  {rule}", message) for rule, message, _ in rules])
    indent = " " * (max((len(rule) for rule, _, _ in rules), default=0) + 4)
    mended = []
    for line, (_, _, fix) in zip(lines, rules, strict=True):
        mended.append(line)
        if fix:
            mended.append(f"{indent}{fix}")
    return mended


def error_json(error: Failure) -> str:
    """The same as one JSON object."""
    return as_json(
        {
            "error": {
                "status": error.status,
                "reason": error.reason,
                "message": str(error),
                "metadata": error.metadata,
                "field_violations": error.field_violations,
                "precondition_violations": error.precondition_violations,
            }
        }
    )
