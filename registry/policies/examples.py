"""The documents that examples in policy files change, and how they are put to a gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.domain.canonical import canonical_json
from registry.domain.file_formats import formats_of
from registry.domain.gate_documents import document_of, without_nulls
from registry.domain.gates import BaseFact, Facts, GateInput, GrantedWaiver, ModelFacts
from registry.domain.policies import Gate, RuleResult
from registry.domain.policy_sets import Example
from registry.domain.promotions import Decision, Outcome
from registry.domain.times import time_of
from registry.domain.versions import (
    Card,
    CodeRevision,
    Dataset,
    Evaluation,
    Verdict,
    Version,
    VersionSpec,
    VersionState,
    Vetting,
)
from registry.policies.evaluator import CompiledPolicy

_NOW_US = time_of("2026-11-20T12:00:00Z")
_DAY_US = 24 * 3600 * 1_000_000
_POLICY = "sha256:" + "5" * 64
_RULES = "sha256:" + "6" * 64
_DATASET = Dataset(name="holdout-2026", digest="sha256:" + "d" * 64)
_TRAINING = Dataset(name="payments-2026", digest="sha256:" + "c" * 64, role="train")

#: Model, state, license, by the name of the document.
_KINDS = {
    "internal": ("fraud/scorer", "fraud", "mit"),
    "mirrored": ("huggingface/acme/summarizer", "huggingface", "llama3.1"),
}
BASES = tuple(_KINDS)


#: What examples see of settings, save `custom`: they are about rules, and go on to hold where a
#: registry sets a freeze, a list of licenses or a Triton release of its own.
EXAMPLE_SETTINGS: Mapping[str, Any] = {
    "stages": {"exclusive": ["staging", "production"], "labels": ["development", "archived"]},
    "promotion_ttl": "336h",
    "approval_validity": "2160h",
    "grace": {"fail": "0h", "unknown": "0h"},
    "freezes": [],
    "licenses": {
        "permissive": [
            *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc"),
            *("cc0-1.0", "cc-by-4.0", "unlicense"),
        ],
        "allowed": [],
    },
    "mirrors": {"publishers": [], "approvals": 2, "group": "security"},
    "limits": {
        "version_bytes": 5_000_000_000_000,
        "file_bytes": 5_000_000_000_000,
        "files": 1_000_000,
    },
    "formats": {
        "denied": [],
        "denied_in": {"production": ["pickle", "joblib", "torch-pickle"]},
    },
    "content_flags": {"allowed": []},
    "triton": {},
    "metrics": {"floors": [], "no_worse": []},
    "card": {"required": []},
    "protected_namespaces": [],
    "custom": {},
}


def base_document(base: str, gate: Gate, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Version 7 of a model, vetted and, save at register and release, released; version 6 is in
    production; for promote, alice asks and bob has approved."""
    version = _version(base, 7, gate)
    asks = gate is Gate.PROMOTE
    given = GateInput(
        gate=gate,
        version=None if gate is Gate.DELETE else version,
        now_us=_NOW_US,
        actor="principals/alice",
        actor_kind="person",
        actor_groups=("ml-fraud",),
        actor_roles=("registrant",),
        stage="production" if asks else "",
        requester="alice" if asks else "",
        promotion=42 if asks else 0,
        note="weekly retrain" if asks else "",
        decisions=(_decision(version),) if asks else (),
        current=_version(base, 6, gate) if asks else None,
        evaluations=(_evaluation(version),) if asks else (),
        current_evaluations=(_evaluation(_version(base, 6, gate)),) if asks else (),
        facts=_facts(base, version),
        current_facts=_facts(base, _version(base, 6, gate)),
        model=ModelFacts(
            name=version.model, namespace=version.namespace, latest_version=7, stages=()
        )
        if gate is Gate.DELETE
        else None,
    )
    return dict(document_of(given, settings, policy_digest=_POLICY))


def whole_document(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A document with an entry in each list: what the reference of the fields is held against."""
    document = base_document("mirrored", Gate.PROMOTE, settings)
    version = _with_finding(document) | {
        "bases": base_document("internal", Gate.PROMOTE, settings)["version"]["bases"]
    }
    return document | {"waivers": [_waiver_value()], "version": version}


def answer_to(policy: CompiledPolicy, example: Example) -> tuple[RuleResult, ...]:
    """What the gate says to an example. ValueError where its document cannot be made."""
    return policy.replay(example.gate, document_of_example(policy, example))


def document_of_example(policy: CompiledPolicy, example: Example) -> dict[str, Any]:
    """The base document with the example's changes: maps are merged, all else is replaced; each
    entry of decisions, evaluations and waivers is merged over one that counts. A null takes a key
    away, and empties `current`."""
    settings = {**EXAMPLE_SETTINGS, "custom": policy.policy_set.settings["custom"]}
    document = base_document(example.base, example.gate, settings)
    for given in example.given:
        document = _changed(document, given)
    return document


def _changed(document: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    change = dict(given)
    if "current" in change and change["current"] is None:
        # Nothing is in the stage.
        document = document | {"current": {}}
        del change["current"]
    merged = _merge(document, change, ())
    assert isinstance(merged, dict)
    return merged


def _merge(base: Any, change: Any, place: tuple[str, ...]) -> Any:
    if isinstance(base, dict) and isinstance(change, dict):
        merged = dict(base)
        for key, value in change.items():
            if key not in base and not _is_free(place):
                raise ValueError(f"there is no {'.'.join((*place, key))}")
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = _merge(base.get(key), value, (*place, key))
        return merged
    if isinstance(change, list) and place and place[-1] in _ENTRIES:
        return [_entry(place, each) for each in change]
    if isinstance(change, list | dict):
        return without_nulls(change)
    return change


def _entry(place: tuple[str, ...], change: Any) -> Any:
    entry = _ENTRIES[place[-1]]()
    if isinstance(change, dict) and "by" in change:
        # Another person, unless the example says that it is the same one.
        entry["uid"] = f"uid-of-{change['by']}"
    return _merge(entry, change, (*place, "0"))


def _is_free(place: tuple[str, ...]) -> bool:
    """Whether a map's keys are anybody's choice."""
    return bool({"card", "metrics", "custom", "triton", "denied_in"} & set(place))


def _decision_value() -> dict[str, Any]:
    document = base_document("internal", Gate.PROMOTE, {"triton": {}})
    found: dict[str, Any] = document["decisions"][0]
    return found


def _evaluation_value() -> dict[str, Any]:
    document = base_document("internal", Gate.PROMOTE, {"triton": {}})
    found: dict[str, Any] = document["evaluations"][0]
    return found


def _waiver_value() -> dict[str, Any]:
    version = _version("internal", 7, Gate.PROMOTE)
    waiver = GrantedWaiver(
        id="waivers/3",
        rule="METRIC-1",
        owner="alice",
        reason="holdout is being relabelled",
        until_us=_NOW_US + 10 * _DAY_US,
    )
    given = GateInput(
        gate=Gate.PROMOTE, version=version, now_us=_NOW_US, actor="system", waivers=(waiver,)
    )
    document: Mapping[str, Any] = document_of(given, {"triton": {}}, policy_digest=_POLICY)
    found: dict[str, Any] = document["waivers"][0]
    return found


_ENTRIES = {
    "decisions": _decision_value,
    "evaluations": _evaluation_value,
    "waivers": _waiver_value,
}


def _with_finding(document: Mapping[str, Any]) -> dict[str, Any]:
    finding = {"rule": "NAME-2", "path": "config.json", "message": "hidden file", "fails": False}
    return {**document["version"], "findings": [finding]}


def _facts(base: str, version: Version) -> Facts:
    return Facts(
        formats=formats_of(["model.safetensors", "config.json", "README.md"]),
        largest_file_bytes=1_200_000_000,
        bases=(BaseFact(name="models/fraud/base/versions/2", child=version.name, license="mit"),)
        if base == "internal"
        else (),
        triton_ready=("26.04", "26.08"),
    )


def _version(base: str, number: int, gate: Gate) -> Version:
    model, namespace, license = _KINDS[base]
    state = {
        Gate.REGISTER: VersionState.QUARANTINED,
        Gate.MIRROR: VersionState.QUARANTINED,
        Gate.RELEASE: VersionState.VETTED,
    }.get(gate, VersionState.RELEASED)
    vetting = Vetting(verdict=Verdict.PASS, findings=(), rules_digest=_RULES, time_us=_NOW_US)
    return Version(
        key=number,
        uid="",
        model_key=1,
        model=model,
        namespace=namespace,
        number=number,
        digest="sha256:" + str(number) * 64,
        commit=str(number) * 40,
        state=state,
        registrant="alice",
        create_time_us=_NOW_US - 2 * _DAY_US,
        spec=VersionSpec(
            run_url="https://runs.example/1042",
            code=CodeRevision(repository="https://git.example/fraud", revision="8" * 40),
            datasets=(_TRAINING,),
        ),
        card=Card(
            metadata_json=canonical_json({"license": license, "tags": ["tabular"]}).decode(),
            license=license,
        ),
        file_count=3,
        size_bytes=1_200_005_100,
        vetting=None if state is VersionState.QUARANTINED else vetting,
        yank_reason="",
        yanked_from=None,
        contributors=("alice", "ann"),
    )


def _decision(version: Version) -> Decision:
    return Decision(
        outcome=Outcome.APPROVE,
        decider="bob",
        decider_uid="uid-of-bob",
        roles=("reviewer",),
        groups=("ml-fraud",),
        digest=version.digest,
        policy_digest=_POLICY,
        rules_digest=_RULES,
        comment="",
        create_time_us=_NOW_US - _DAY_US,
    )


def _evaluation(version: Version) -> Evaluation:
    return Evaluation(
        key=1,
        uid="",
        version=version.name,
        digest=version.digest,
        evaluation="holdout",
        metrics=(("auc", 0.931), ("loss", 0.21)),
        dataset=_DATASET,
        tool="",
        reporter="bob",
        create_time_us=_NOW_US - _DAY_US,
    )
