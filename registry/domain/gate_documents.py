"""The document that a gate's rules look at: plain JSON values, to be kept and replayed.

There is no null in it. What is not there is "" or an empty map or list, and nulls of a card are
left out: the CEL library gives back a null with one reference too few, and enough of those end a
process of Python 3.11 ("deallocating None").

`policies/README.md` is its reference; a test holds the two together. Rules
and stored documents name fields, so none is ever renamed or dropped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from registry.domain.gates import UNNUMBERED, BaseFact, Facts, GateInput, GrantedWaiver, ModelFacts
from registry.domain.promotions import Decision
from registry.domain.times import rfc3339
from registry.domain.versions import CodeRevision, Dataset, Evaluation, Finding, Version
from registry.names.rules import HUBS

#: Tags of a card that hubs use to warn of a model's content.
FLAG_TAGS = frozenset({"not-for-all-audiences", "not-for-all-eyes", "nsfw"})
#: A card's own list of them.
FLAGS_KEY = "content_flags"
#: Among licenses: of versions that the reader may not read.
HIDDEN = "hidden"

#: What every document has, whatever the gate; in the order of the reference.
NAMES = (
    "gate",
    "now",
    "policy",
    "actor",
    "request",
    "model",
    "version",
    "evaluations",
    "current",
    "target",
    "decisions",
    "waivers",
    "settings",
)


def document_of(
    given: GateInput, settings: Mapping[str, object], *, policy_digest: str
) -> Document:
    """The document of one question, under the settings of a policy set."""
    return Document(given, settings, policy_digest)


class Document(Mapping[str, object]):
    """Its parts are made when they are looked at: gates that are asked about every version read few
    of them. For one thread; what it is made of does not change."""

    def __init__(
        self, given: GateInput, settings: Mapping[str, object], policy_digest: str
    ) -> None:
        self.given = given
        self.settings = settings
        self.policy_digest = policy_digest
        self._made: dict[str, object] = {}

    def __getitem__(self, name: str) -> object:
        try:
            return self._made[name]
        except KeyError:
            made = self._made[name] = _PARTS[name](self)
            return made

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


def _actor(of: Document) -> dict[str, object]:
    given = of.given
    return {
        "name": given.actor,
        "kind": given.actor_kind,
        "groups": list(given.actor_groups),
        "roles": list(given.actor_roles),
    }


def _request(of: Document) -> dict[str, object]:
    given = of.given
    return {
        "stage": given.stage,
        "requester": given.requester,
        "promotion": str(given.promotion) if given.promotion else UNNUMBERED,
        "note": given.note,
        "break_glass": given.break_glass,
        "by_digest": given.by_digest,
    }


def _current(of: Document) -> dict[str, object]:
    given = of.given
    if given.current is None:
        return {}
    evaluations = [_evaluation(each) for each in given.current_evaluations]
    return {**_version(given.current, given.current_facts), "evaluations": evaluations}


def _target(of: Document) -> dict[str, object]:
    triton, stage = of.settings["triton"], of.given.stage
    assert isinstance(triton, Mapping)
    return {"stage": stage, "triton": of.given.triton or triton.get(stage, "")}


_PARTS: Mapping[str, Callable[[Document], object]] = {
    "gate": lambda of: of.given.gate.value,
    "now": lambda of: rfc3339(of.given.now_us),
    "policy": lambda of: {"digest": of.policy_digest},
    "actor": _actor,
    "request": _request,
    "model": lambda of: _model(of.given.model, of.given.version),
    "version": lambda of: (
        {} if of.given.version is None else _version(of.given.version, of.given.facts)
    ),
    "evaluations": lambda of: [_evaluation(each) for each in of.given.evaluations],
    "current": _current,
    "target": _target,
    "decisions": lambda of: _decisions(of.given.decisions),
    "waivers": lambda of: [_waiver(each) for each in of.given.waivers],
    # The set's own, always the same object: see `remembered.py`.
    "settings": lambda of: of.settings,
}


def _model(facts: ModelFacts | None, version: Version | None) -> dict[str, object]:
    if facts is not None:
        return {
            "name": facts.name,
            "namespace": facts.namespace,
            "latest_version": facts.latest_version,
            "stages": list(facts.stages),
        }
    assert version is not None
    return {
        "name": version.model,
        "namespace": version.namespace,
        "latest_version": version.number,
        "stages": list(version.stages),
    }


def _version(version: Version, facts: Facts) -> dict[str, object]:
    vetting, parts = version.vetting, version.model.split("/")
    is_mirrored = version.namespace in HUBS
    card, flags = _card(version.card.metadata_json)
    return {
        "name": version.name,
        "ref": version.ref,
        "model": version.model,
        "namespace": version.namespace,
        "number": version.number,
        "digest": version.digest,
        "state": version.state.value.upper(),
        "yanked_from": version.yanked_from.value.upper() if version.yanked_from else "",
        "yank_reason": version.yank_reason,
        "verdict": "none" if vetting is None else vetting.verdict.value,
        "rules_digest": "" if vetting is None else vetting.rules_digest,
        "findings": [] if vetting is None else [_finding(each) for each in vetting.findings],
        "origin": "mirrored" if is_mirrored else "internal",
        "hub": version.namespace if is_mirrored else "",
        "publisher": parts[1] if is_mirrored and len(parts) > 2 else "",
        "license": version.card.license,
        **_bases([_base(each) for each in facts.bases]),
        "run_url": version.spec.run_url,
        "code": _code(version.spec.code),
        "datasets": [_dataset(each) for each in version.spec.datasets],
        "registrant": version.registrant,
        "contributors": sorted({version.registrant, *version.contributors}),
        "formats": list(facts.formats),
        "flags": list(flags),
        "size_bytes": version.size_bytes,
        "file_count": version.file_count,
        "largest_file_bytes": facts.largest_file_bytes,
        "triton_ready": list(facts.triton_ready),
        "card": card,
        "card_missing": list(version.card.missing),
        "create_time": rfc3339(version.create_time_us),
    }


def shown_where(document: Mapping[str, Any], is_shown: Callable[[str], bool]) -> Mapping[str, Any]:
    """The document, without what it tells of versions above whose names are not to be shown; the
    very same where it tells nothing of such."""
    changed = {
        part: _shown_version(document[part], is_shown)
        for part in ("version", "current")
        if document.get(part)
    }
    if all(changed[part] is document[part] for part in changed):
        return document
    return {**document, **changed}


def _shown_version(
    version: Mapping[str, Any], is_shown: Callable[[str], bool]
) -> Mapping[str, Any]:
    """What stands above a hidden base is hidden with it: that it is there tells of that base."""
    # Documents of before there were names here: nobody knows whose licenses those are.
    unnamed = [
        {"name": "", "child": version["name"], "license": each}
        for each in version.get("base_licenses", ())
    ]
    bases = version.get("bases", unnamed)
    reached = {version["name"]}
    shown: list[Mapping[str, str]] = []
    left = list(bases)
    while found := [each for each in left if each["child"] in reached and is_shown(each["name"])]:
        shown.extend(found)
        reached.update(each["name"] for each in found)
        left = [each for each in left if each not in found]
    if not left:
        return version
    seen = _bases([each for each in bases if each in shown])
    return {**version, **seen, "base_licenses": [*cast("list[str]", seen["base_licenses"]), HIDDEN]}


def _base(base: BaseFact) -> dict[str, str]:
    return {"name": base.name, "child": base.child, "license": base.license}


def _bases(bases: Sequence[Mapping[str, str]]) -> dict[str, object]:
    return {
        "base_licenses": sorted({each["license"] for each in bases}),
        "bases": list(bases),
    }


@lru_cache(maxsize=1024)
def _card(metadata_json: str) -> tuple[dict[str, object], tuple[str, ...]]:
    """A card's metadata and what it warns of. Documents share it: nobody changes one."""
    card = without_nulls(json.loads(metadata_json))
    return card, tuple(flags_of(card))


def without_nulls(value: Any) -> Any:
    """The value without members and entries that are null."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_nulls(each) for each in value if each is not None]
    return value


def flags_of(card: Mapping[str, object]) -> list[str]:
    """What a card warns of, sorted: its `content_flags`, and hubs' warning tags among its tags."""
    own = {each.casefold() for each in _texts(card.get(FLAGS_KEY))}
    return sorted(own | (FLAG_TAGS & {each.casefold() for each in _texts(card.get("tags"))}))


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str) and each]


def _code(code: CodeRevision) -> dict[str, object]:
    return {"repository": code.repository, "revision": code.revision, "dirty": code.dirty}


def _dataset(dataset: Dataset) -> dict[str, object]:
    return {"name": dataset.name, "digest": dataset.digest, "role": dataset.role}


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "path": finding.path,
        "message": finding.message,
        "fails": finding.fails,
    }


def _evaluation(evaluation: Evaluation) -> dict[str, object]:
    return {
        "evaluation": evaluation.evaluation,
        "metrics": dict(evaluation.metrics),
        "dataset": {"name": evaluation.dataset.name, "digest": evaluation.dataset.digest},
        "digest": evaluation.digest,
        "reporter": evaluation.reporter,
        "time": rfc3339(evaluation.create_time_us),
    }


def _decisions(decisions: tuple[Decision, ...]) -> list[dict[str, object]]:
    """One a person, the newest: whoever bears two names in the registry still counts once."""
    newest = {each.decider_uid or f"id:{each.decider}": each for each in decisions}
    return [_decision(each) for each in newest.values()]


def _decision(decision: Decision) -> dict[str, object]:
    return {
        "by": decision.decider,
        "uid": decision.decider_uid,
        # Robots are refused before anything is recorded.
        "kind": "person",
        "outcome": decision.outcome.value,
        "digest": decision.digest,
        "policy_digest": decision.policy_digest,
        "rules_digest": decision.rules_digest,
        "groups": list(decision.groups),
        "roles": list(decision.roles),
        "at": rfc3339(decision.create_time_us),
        "until": "" if decision.expire_time_us is None else rfc3339(decision.expire_time_us),
    }


def _waiver(waiver: GrantedWaiver) -> dict[str, object]:
    return {
        "id": waiver.id,
        "rule": waiver.rule,
        "owner": waiver.owner,
        "reason": waiver.reason,
        "until": rfc3339(waiver.until_us),
    }
