"""A policy set, compiled: every rule is evaluated, and whatever cannot be evaluated denies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from registry.domain.gate_documents import NAMES, document_of
from registry.domain.gates import GateInput
from registry.domain.policies import Gate, GateAnswer, RuleResult
from registry.domain.policy_sets import GateRules, PolicySet, Rule
from registry.domain.policy_settings import duration_us
from registry.domain.times import time_of
from registry.domain.versions import Verdict
from registry.policies.engine import Engine, ExpressionError, Program
from registry.policies.remembered import Answers
from registry.policies.templates import Template

#: Of a let's value: characters of a text, entries of a list or map.
VALUE_SIZE_MAX = 100_000
_PROPOSE = "hallmark policy propose DIR --note WHY"
_BROKEN_FIX = f"Nobody passes until the rule is mended: change the file, then {_PROPOSE}"


class CompiledPolicy:
    """Implements `registry/ports/policy.py` for one set."""

    def __init__(self, policy: PolicySet, engine: Engine, *, at_once: bool = True) -> None:
        """Raises ExpressionError, with gate and rule, for the first that does not compile.

        Not `at_once`: each gate is compiled when it is first asked, since most processes never ask
        some, and all together take several megabytes. For sets that were compiled before.
        """
        self._set = policy
        self._digest = policy.digest
        self._engine = engine
        self._rules_of = {each.gate: each for each in policy.gates}
        self._compiled: dict[Gate, _CompiledGate] = {}
        if at_once:
            for gate in self._rules_of:
                self.compiled(gate)
        self._waivable = frozenset(
            rule.id for gate in policy.gates for rule in gate.rules if rule.waivable
        )
        self._reading_waivers = frozenset(
            gate.gate for gate in policy.gates if _reads_waivers(gate)
        )

    @property
    def digest(self) -> str:
        return self._digest

    @property
    def policy_set(self) -> PolicySet:
        return self._set

    @property
    def exclusive_stages(self) -> tuple[str, ...]:
        return tuple(self._set.settings["stages"]["exclusive"])

    @property
    def label_stages(self) -> tuple[str, ...]:
        return tuple(self._set.settings["stages"]["labels"])

    @property
    def promotion_ttl_us(self) -> int:
        return duration_us(self._set.settings["promotion_ttl"])

    @property
    def approval_validity_us(self) -> int:
        return duration_us(self._set.settings["approval_validity"])

    def grace_us(self, verdict: Verdict) -> int:
        # Not in sets that were stored before there was such a setting.
        grace = self._set.settings.get("grace", {})
        return duration_us(grace[verdict.value]) if verdict.value in grace else 0

    @property
    def triton_releases(self) -> tuple[str, ...]:
        return tuple(sorted(set(self._set.settings["triton"].values())))

    def is_waivable(self, rule: str) -> bool:
        return rule in self._waivable

    def reads_waivers(self, gate: Gate) -> bool:
        return gate in self._reading_waivers

    def evaluate(self, given: GateInput) -> GateAnswer:
        document = document_of(given, self._set.settings, policy_digest=self._digest)
        return GateAnswer(
            gate=given.gate,
            results=self.replay(given.gate, document),
            policy_digest=self._digest,
            document=document,
        )

    def replay(self, gate: Gate, document: Mapping[str, object]) -> tuple[RuleResult, ...]:
        """The results on a document, such as one that was kept."""
        try:
            compiled = self.compiled(gate)
        except ExpressionError as error:
            return (_broken(f"gate {gate.value}", error),)
        results = () if compiled is None else compiled.evaluate(document)
        # A gate that no rule speaks of stays shut.
        return results or (_unruled(gate),)

    def compiled(self, gate: Gate) -> _CompiledGate | None:
        """The gate's rules, if it has any. Two threads that ask at once make equal ones."""
        found = self._compiled.get(gate)
        if found is None and gate in self._rules_of:
            found = self._compiled[gate] = _CompiledGate(self._rules_of[gate], self._engine)
        return found


def _reads_waivers(gate: GateRules) -> bool:
    """A text that only looks as if it did makes no harm."""
    texts = [*dict(gate.lets).values()]
    texts += [text for rule in gate.rules for text in (rule.when, rule.require)]
    return any(rule.waivable for rule in gate.rules) or any("waivers" in each for each in texts)


@dataclass(frozen=True)
class _CompiledRule:
    rule: Rule
    when: Program | None
    require: Program
    message: Template
    fix: Template


class _CompiledGate:
    def __init__(self, gate: GateRules, engine: Engine) -> None:
        self._engine = engine
        names = [*NAMES]
        self._lets: list[tuple[str, Program]] = []
        for name, expression in gate.lets:
            with _placed(gate.gate, f"let {name}"):
                self._lets.append((name, engine.compile(expression, names)))
            names.append(name)
        self._rules = [_compiled(gate.gate, rule, engine, names) for rule in gate.rules]
        conditions = [part for rule in gate.rules for part in (rule.when, rule.require) if part]
        self._answers = Answers([*dict(gate.lets).values(), *conditions], NAMES)

    def evaluate(self, document: Mapping[str, object]) -> tuple[RuleResult, ...]:
        key, results = self._answers.find(document)
        if results is None:
            results = self._worked_out(document)
            self._answers.keep(key, results)
        return results

    def _worked_out(self, document: Mapping[str, object]) -> tuple[RuleResult, ...]:
        known = dict(document)
        results = []
        bound = self._engine.bind(known)
        for name, program in self._lets:
            try:
                known[name] = _plain(program.evaluate(bound))
            except ExpressionError as error:
                results.append(_broken(f"let {name}", error))
            else:
                bound = self._engine.bind(known)
        results.extend(_result(each, bound, document) for each in self._rules)
        return tuple(results)


@contextmanager
def _placed(gate: Gate, place: str) -> Iterator[None]:
    """Says where an expression stands that does not compile."""
    try:
        yield
    except ExpressionError as error:
        raise ExpressionError(f"{gate.value} {place}: {error}") from error


def _compiled(gate: Gate, rule: Rule, engine: Engine, names: Sequence[str]) -> _CompiledRule:
    with _placed(gate, f"{rule.id} when"):
        when = engine.compile(rule.when, names) if rule.when else None
    with _placed(gate, f"{rule.id} require"):
        require = engine.compile(rule.require, names)
    with _placed(gate, f"{rule.id} message"):
        message = Template(rule.message, engine, names)
    with _placed(gate, f"{rule.id} fix"):
        fix = Template(rule.fix, engine, names)
    return _CompiledRule(rule, when, require, message, fix)


def _result(compiled: _CompiledRule, known: object, document: Mapping[str, object]) -> RuleResult:
    rule = compiled.rule
    try:
        if compiled.when is not None and not _truth(compiled.when, known, "when"):
            return RuleResult(rule=rule.id, passed=True)
        if _truth(compiled.require, known, "require"):
            return RuleResult(rule=rule.id, passed=True)
        message, bound = compiled.message.render(known)
        fix, more = compiled.fix.render(known)
    except ExpressionError as error:
        return _broken(rule.id, error)
    waiver = _waiver(rule, document) if rule.waivable else ""
    return RuleResult(
        rule=rule.id,
        passed=bool(waiver),
        message=message,
        fix=fix,
        waits=rule.waits and not waiver,
        bound=bound | more,
        waived_by=waiver,
    )


def _truth(program: Program, known: object, part: str) -> bool:
    try:
        value = program.evaluate(known)
    except ExpressionError as error:
        raise ExpressionError(f"{part}: {error}") from error
    if not isinstance(value, bool):
        raise ExpressionError(f"{part}: found a {type(value).__name__}, expected true or false")
    return value


def _waiver(rule: Rule, document: Mapping[str, Any]) -> str:
    """The id of a waiver that is in force; "" for none."""
    now_us = time_of(document["now"])
    for each in document["waivers"]:
        if each["rule"] == rule.id and now_us < time_of(each["until"]):
            return str(each["id"])
    return ""


def _broken(place: str, error: ExpressionError) -> RuleResult:
    return RuleResult(
        rule=place,
        passed=False,
        message=f"it could not be evaluated, and so denies: {error}.",
        fix=_BROKEN_FIX,
        bound={"error": str(error)},
    )


def is_broken(result: RuleResult) -> bool:
    """Whether a rule denies because it could not be evaluated."""
    return result.fix == _BROKEN_FIX


def _plain(value: object) -> object:
    """A let's value, which has to be JSON: it is shown to the engine again. And bounded, since each
    let could be twice as long as the one before."""
    if isinstance(value, str | list | dict) and len(value) > VALUE_SIZE_MAX:
        raise ExpressionError(f"found {len(value)} entries or characters, at most {VALUE_SIZE_MAX}")
    if isinstance(value, dict):
        return {_key(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, bool | int | float | str):
        return value
    raise ExpressionError(f"found a {type(value).__name__}, expected text, a number, a list or map")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise ExpressionError("found a map with keys that are no text")
    return key


def _unruled(gate: Gate) -> RuleResult:
    return RuleResult(
        rule="UNRULED",
        passed=False,
        message=f"no rule says what may pass gate {gate.value}.",
        fix=f"Ask the operator for a policy that has rules for it: {_PROPOSE}",
    )
