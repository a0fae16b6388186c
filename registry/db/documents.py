"""Nested values as canonical JSON text, and back.

Law: `x_of(x_text(value)) == value` for each pair of functions here. What is stored once is read for
ever: a field added later is missing in older text, so it is read with `.get` and its default.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache, wraps
from typing import Any, TypeVar

from registry.domain.canonical import canonical_json, quoted
from registry.domain.policies import Requirement
from registry.domain.promotions import Decision, Outcome
from registry.domain.versions import (
    Base,
    Card,
    CodeRevision,
    Dataset,
    Finding,
    LineageKind,
    VersionSpec,
)

T = TypeVar("T")

_SHORT = 4096


def _remembering(parse: Callable[[str], T]) -> Callable[[str], T]:
    """The same function, which parses short texts once: what is hot is read over and over, and the
    values cannot change."""
    short = lru_cache(maxsize=1024)(parse)

    @wraps(parse)
    def remembered(text: str) -> T:
        return short(text) if len(text) <= _SHORT else parse(text)

    return remembered


def text_of(value: object, *, field: str) -> str:
    """Canonical JSON text of plain values; raises InvalidFieldError for what has none."""
    return canonical_json(value, field=field).decode()


def names_text(names: tuple[str, ...], *, field: str) -> str:
    text = f"[{','.join(map(quoted, names))}]"
    # What is not ASCII may be no text that UTF-8 can hold, and is looked at name by name.
    return text if text.isascii() else text_of(names, field=field)


@_remembering
def names_of(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def metrics_text(metrics: tuple[tuple[str, float], ...]) -> str:
    return text_of(metrics, field="metrics")


def metrics_of(text: str) -> tuple[tuple[str, float], ...]:
    return _pairs(json.loads(text))


def dataset_text(dataset: Dataset) -> str:
    return text_of(_dataset_json(dataset), field="dataset")


def dataset_of(text: str) -> Dataset:
    return _dataset(json.loads(text))


def spec_text(spec: VersionSpec) -> str:
    return text_of(
        {
            "description": spec.description,
            "parameters": spec.parameters,
            "metrics": spec.metrics,
            "datasets": [_dataset_json(dataset) for dataset in spec.datasets],
            "code": {
                "repository": spec.code.repository,
                "revision": spec.code.revision,
                "dirty": spec.code.dirty,
            },
            "run_url": spec.run_url,
            "bases": [(base.version, base.kind.value) for base in spec.bases],
        },
        field="spec",
    )


@_remembering
def spec_of(text: str) -> VersionSpec:
    value = json.loads(text)
    code = value["code"]
    return VersionSpec(
        description=value["description"],
        parameters=_pairs(value["parameters"]),
        metrics=_pairs(value["metrics"]),
        datasets=tuple(_dataset(dataset) for dataset in value["datasets"]),
        code=CodeRevision(
            repository=code["repository"], revision=code["revision"], dirty=code["dirty"]
        ),
        run_url=value["run_url"],
        bases=tuple(
            Base(version=version, kind=LineageKind(kind)) for version, kind in value["bases"]
        ),
    )


def parts_of_card(card: Card) -> tuple[Card, str]:
    """The card without its text, as a value and as JSON text."""
    is_short = len(card.metadata_json) + len(card.text) <= _SHORT
    return _short_parts(card) if is_short else _parts(card)


def _parts(card: Card) -> tuple[Card, str]:
    bare = replace(card, text="") if card.text else card
    return bare, _card_text(bare)


#: Most versions of a model have the card of the one before.
_short_parts = lru_cache(maxsize=256)(_parts)


def _card_text(card: Card) -> str:
    return text_of(
        {
            "metadata_json": card.metadata_json,
            "license": card.license,
            "base_models": card.base_models,
            "missing": card.missing,
        },
        field="card",
    )


@_remembering
def card_of(text: str) -> Card:
    """The card without its text."""
    value = json.loads(text)
    return Card(
        metadata_json=value["metadata_json"],
        license=value["license"],
        base_models=tuple(value["base_models"]),
        missing=tuple(value["missing"]),
    )


def findings_text(findings: Iterable[Finding]) -> str:
    return text_of(
        [
            {
                "rule": finding.rule,
                "message": finding.message,
                "path": finding.path,
                "fix": finding.fix,
                "fails": finding.fails,
                "doubts": finding.doubts,
                "member": finding.member,
                "offset": finding.offset,
            }
            for finding in findings
        ],
        field="findings",
    )


@_remembering
def findings_of(text: str) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            rule=value["rule"],
            message=value["message"],
            path=value["path"],
            fix=value["fix"],
            fails=value["fails"],
            doubts=value.get("doubts", False),
            member=value.get("member", ""),
            offset=value.get("offset"),
        )
        for value in json.loads(text)
    )


def requirements_text(requirements: Iterable[Requirement]) -> str:
    return text_of([(r.rule, r.message, r.fix) for r in requirements], field="waiting")


def requirements_of(text: str) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(rule=rule, message=message, fix=fix) for rule, message, fix in json.loads(text)
    )


def decisions_text(decisions: Iterable[Decision]) -> str:
    return text_of(
        [
            {
                "outcome": decision.outcome.value,
                "decider": decision.decider,
                "decider_uid": decision.decider_uid,
                "rules_digest": decision.rules_digest,
                "roles": decision.roles,
                "groups": decision.groups,
                "digest": decision.digest,
                "policy_digest": decision.policy_digest,
                "comment": decision.comment,
                "conditions": decision.conditions,
                "expire_time_us": decision.expire_time_us,
                "create_time_us": decision.create_time_us,
            }
            for decision in decisions
        ],
        field="decisions",
    )


@_remembering
def decisions_of(text: str) -> tuple[Decision, ...]:
    return tuple(
        Decision(
            outcome=Outcome(value["outcome"]),
            decider=value["decider"],
            decider_uid=value["decider_uid"],
            rules_digest=value["rules_digest"],
            roles=tuple(value["roles"]),
            groups=tuple(value["groups"]),
            digest=value["digest"],
            policy_digest=value["policy_digest"],
            comment=value["comment"],
            conditions=tuple(value["conditions"]),
            expire_time_us=value["expire_time_us"],
            create_time_us=value["create_time_us"],
        )
        for value in json.loads(text)
    )


def _pairs(values: list[list[Any]]) -> tuple[tuple[str, Any], ...]:
    return tuple((key, value) for key, value in values)


def _dataset_json(dataset: Dataset) -> dict[str, str]:
    return {
        "name": dataset.name,
        "digest": dataset.digest,
        "uri": dataset.uri,
        "role": dataset.role,
    }


def _dataset(value: dict[str, str]) -> Dataset:
    return Dataset(name=value["name"], digest=value["digest"], uri=value["uri"], role=value["role"])
