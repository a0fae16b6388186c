"""Reads a policy set from files: everything that is wrong is told together, with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.domain.gate_documents import NAMES
from registry.domain.policies import Gate
from registry.domain.policy_sets import Example, GateRules, PolicySet, Rule
from registry.domain.policy_settings import settings_problems
from registry.errors import FieldViolation, InvalidRequestError
from registry.formats.yaml_lines import Document, UnreadableError, read_yaml
from registry.policies.engine import Engine, ExpressionError
from registry.policies.evaluator import CompiledPolicy
from registry.policies.examples import BASES, answer_to
from registry.policies.problems import Problem
from registry.policies.templates import Template

SETTINGS_FILE = "settings.yaml"
FILES = (SETTINGS_FILE, *(f"{gate.value}.yaml" for gate in Gate))
RULES_MAX = 100
TEXT_MAX = 1000
PROBLEMS_SHOWN = 20

_RULE_ID = re.compile(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)*")
_LET = re.compile(r"[a-z][a-z0-9_]{0,63}")
#: Gates that do not ask about a version of a model that is here, and so know no waivers.
UNWAIVABLE = frozenset({Gate.MIRROR, Gate.DELETE})
_RULE_KEYS = {"id", "when", "require", "message", "fix", "waits", "waivable"}
_TEST_KEYS = {"name", "base", "given", "refused", "accepted"}
#: Words that CEL keeps for itself, so that no let can bear them.
_RESERVED = frozenset(
    {"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in"}
    | {"let", "loop", "package", "namespace", "null", "return", "true", "var", "void", "while"}
)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A set that compiles, and the examples in its files."""

    policy: CompiledPolicy
    examples: tuple[Example, ...]


class PolicyFilesError(Exception):
    """Files that make no policy set; `problems` says all that is wrong with them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a set in a folder. Raises PolicyFilesError for those that cannot be read."""
    found, problems = {}, []
    for name in FILES:
        try:
            found[name] = (folder / name).read_bytes()
        except OSError as error:
            problems.append(Problem(name, 0, "", f"cannot be read: {error.strerror} ({folder})"))
    if problems:
        raise PolicyFilesError(problems)
    return found


def load(files: Mapping[str, bytes], engine: Engine) -> Loaded:
    """The set in these files, compiled. Raises PolicyFilesError."""
    reader = _Reader(engine)
    problems = reader.problems
    for name in sorted(files.keys() - set(FILES)):
        problems.append(Problem(name, 0, "", f"no such file, expected {', '.join(FILES)}"))
    documents = {name: reader.document(name, files.get(name)) for name in FILES}
    settings = reader.settings(documents[SETTINGS_FILE])
    gates = [reader.gate(gate, documents[f"{gate.value}.yaml"]) for gate in Gate]
    if problems:
        raise PolicyFilesError(problems)
    policy = PolicySet(settings=settings, gates=tuple(gates))
    return Loaded(policy=CompiledPolicy(policy, engine), examples=tuple(reader.examples))


def failed_examples(loaded: Loaded) -> tuple[Problem, ...]:
    """Those examples whose answer is not what they say it has to be."""
    failed = []
    for example in loaded.examples:
        try:
            refused = {r.rule: r for r in answer_to(loaded.policy, example) if not r.passed}
        except ValueError as error:
            text = f"its document cannot be made: {error}"
            failed.append(_of_example(example, text))
            continue
        if set(refused) != set(example.refused):
            got = "; ".join(f"{rule}: {result.message}" for rule, result in refused.items())
            wanted = ", ".join(example.refused) or "nothing"
            failed.append(_of_example(example, f"refused by {got or 'nothing'}, expected {wanted}"))
    return tuple(failed)


def refusal(problems: Iterable[Problem]) -> InvalidRequestError:
    """The problems of files that somebody sent."""
    listed = tuple(problems)
    return InvalidRequestError(
        count=len(listed),
        summary="; ".join(map(str, listed[:PROBLEMS_SHOWN])),
        violations=tuple(
            FieldViolation(field=f"files[{each.file}]", description=str(each))
            for each in listed[:PROBLEMS_SHOWN]
        ),
    )


def _of_example(example: Example, text: str) -> Problem:
    return Problem(f"{example.gate.value}.yaml", example.line, f"test {example.name!r}", text)


class _Reader:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.problems: list[Problem] = []
        self.examples: list[Example] = []
        self._ids: dict[str, str] = {}

    def document(self, name: str, data: bytes | None) -> Document:
        if data is None:
            self.problems.append(Problem(name, 0, "", "missing: a set has all files"))
            return Document({})
        try:
            document = read_yaml(data)
        except UnreadableError as error:
            self.problems.append(Problem(name, error.line, "", error.text))
            return Document({})
        if not isinstance(document.value, dict):
            self.problems.append(Problem(name, 1, "", "found no keys with values at the top"))
            return Document({})
        return document

    def settings(self, document: Document) -> Mapping[str, Any]:
        if document.lines:
            for key, text in settings_problems(document.value):
                line = document.line(key)
                self.problems.append(Problem(SETTINGS_FILE, line, f"setting {key}", text))
        return dict(document.value)

    def gate(self, gate: Gate, document: Document) -> GateRules:
        file = f"{gate.value}.yaml"
        if not document.lines:
            return GateRules(gate=gate, lets=(), rules=())
        top = document.value
        self._known(file, document, (), top, {"gate", "lets", "rules", "tests"})
        if top.get("gate") != gate.value:
            self._tell(file, document.line("gate"), "", f"gate: expected {gate.value}")
        lets = self._lets(file, document, top.get("lets", {}))
        names = [*NAMES, *(name for name, _ in lets)]
        entries = self._entries(file, document, "rules", top.get("rules"))
        rules = [
            rule
            for n, entry in enumerate(entries)
            if (rule := self._rule(gate, file, document, n, entry, names)) is not None
        ]
        if not rules:
            self._tell(file, document.line("rules"), "", "rules: expected at least one")
        ids = {rule.id for rule in rules}
        for n, entry in enumerate(self._entries(file, document, "tests", top.get("tests"))):
            self._example(gate, file, document, n, entry, ids)
        self._covered(gate, file, document, rules)
        return GateRules(gate=gate, lets=tuple(lets), rules=tuple(rules))

    def _lets(self, file: str, document: Document, lets: Any) -> list[tuple[str, str]]:
        if not isinstance(lets, dict) or len(lets) > RULES_MAX:
            text = f"lets: expected names with expressions, at most {RULES_MAX}"
            self._tell(file, document.line("lets"), "", text)
            return []
        found: list[tuple[str, str]] = []
        for name, expression in lets.items():
            line, place = document.line("lets", name), f"let {name}"
            if not _LET.fullmatch(name) or name in NAMES or name in _RESERVED:
                self._tell(file, line, place, "expected a free name of a-z, 0-9 and _")
            elif not isinstance(expression, str):
                self._tell(file, line, place, "expected an expression as text, in quotes")
            else:
                self._try(file, line, place, expression, [*NAMES, *(n for n, _ in found)])
                found.append((name, expression))
        return found

    def _rule(
        self, gate: Gate, file: str, document: Document, n: int, entry: Any, names: list[str]
    ) -> Rule | None:
        line = document.line("rules", n)
        before = len(self.problems)
        if not isinstance(entry, dict):
            self._tell(file, line, f"rule {n + 1}", "expected keys with values")
            return None
        id = entry.get("id")
        place = f"rule {id}" if isinstance(id, str) else f"rule {n + 1}"
        self._known(file, document, ("rules", n), entry, _RULE_KEYS, place)
        if not isinstance(id, str) or not _RULE_ID.fullmatch(id):
            self._tell(file, document.line("rules", n, "id"), place, "id: expected such as SOD-1")
        elif f"{file} {id}" in self._ids:
            self._tell(file, line, place, "its id is taken by another rule of this gate")
        else:
            self._ids[f"{file} {id}"] = file
        for key in ("require", "message", "fix", "when"):
            value = entry.get(key, "" if key == "when" else None)
            at = document.line("rules", n, key)
            if not isinstance(value, str) or not (value or key == "when"):
                self._tell(file, at, place, f"{key}: expected text, in quotes")
            elif key in ("message", "fix"):
                self._try_template(file, at, place, key, value, names)
            elif value:
                self._try(file, at, f"{place} {key}", value, names)
        self._flags(gate, file, document, n, entry, place)
        return None if len(self.problems) > before else Rule(**entry)

    def _flags(
        self, gate: Gate, file: str, document: Document, n: int, entry: Any, place: str
    ) -> None:
        for key in ("waits", "waivable"):
            value, at = entry.get(key, False), document.line("rules", n, key)
            if not isinstance(value, bool):
                self._tell(file, at, place, f"{key}: expected true or false")
            elif value and key == "waivable" and gate in UNWAIVABLE:
                self._tell(file, at, place, f"waivable: nothing is waived at gate {gate.value}")

    def _example(
        self, gate: Gate, file: str, document: Document, n: int, entry: Any, ids: set[str]
    ) -> None:
        line, place = document.line("tests", n), f"test {n + 1}"
        before = len(self.problems)
        if not isinstance(entry, dict):
            self._tell(file, line, place, "expected keys with values")
            return
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            self._tell(file, line, place, "name: expected text")
        else:
            place = f"test {name!r}"
        self._known(file, document, ("tests", n), entry, _TEST_KEYS, place)
        base, given = entry.get("base", "internal"), entry.get("given", {})
        if base not in BASES:
            self._tell(file, line, place, f"base: expected one of {', '.join(BASES)}")
        if not isinstance(given, dict):
            self._tell(file, line, place, "given: expected what differs from the base document")
        refused = entry.get("refused")
        if ("refused" in entry) == ("accepted" in entry):
            self._tell(file, line, place, "expected either refused: [RULE, ...] or accepted: true")
        elif "accepted" in entry:
            if entry["accepted"] is not True:
                self._tell(file, line, place, "accepted: expected true")
            refused = []
        if not isinstance(refused, list) or not set(map(str, refused)) <= ids:
            self._tell(file, line, place, f"refused: expected rules of {', '.join(sorted(ids))}")
        if len(self.problems) == before:
            self.examples.append(
                Example(
                    gate=gate,
                    name=str(name),
                    base=str(base),
                    given=given,
                    refused=tuple(map(str, refused or ())),
                    line=line,
                )
            )

    def _covered(self, gate: Gate, file: str, document: Document, rules: list[Rule]) -> None:
        """Each rule refuses in one example at least, and one example is accepted."""
        mine = [example for example in self.examples if example.gate is gate]
        refusing = {id for example in mine for id in example.refused}
        for rule in rules:
            if rule.id not in refusing:
                line = document.line("rules")
                self._tell(file, line, f"rule {rule.id}", "no test in which it refuses")
        if rules and all(example.refused for example in mine):
            self._tell(file, document.line("tests"), "", "tests: none that is accepted")

    def _entries(self, file: str, document: Document, key: str, value: Any) -> list[Any]:
        if isinstance(value, list) and len(value) <= RULES_MAX:
            return value
        self._tell(file, document.line(key), "", f"{key}: expected a list, at most {RULES_MAX}")
        return []

    def _known(
        self,
        file: str,
        document: Document,
        at: tuple[str | int, ...],
        entry: Mapping[str, Any],
        keys: set[str],
        place: str = "",
    ) -> None:
        for key in entry.keys() - keys:
            text = f"no such key {key!r}, expected one of {', '.join(sorted(keys))}"
            self._tell(file, document.line(*at, key), place, text)

    def _try(self, file: str, line: int, place: str, expression: str, names: list[str]) -> None:
        try:
            self._engine.compile(expression, names)
        except ExpressionError as error:
            self._tell(file, line, place, str(error))

    def _try_template(
        self, file: str, line: int, place: str, key: str, text: str, names: list[str]
    ) -> None:
        if len(text) > TEXT_MAX:
            self._tell(file, line, place, f"{key}: expected at most {TEXT_MAX} characters")
            return
        try:
            Template(text, self._engine, names)
        except ExpressionError as error:
            self._tell(file, line, place, f"{key}: {error}")
        if key == "fix" and "hallmark " not in text:
            self._tell(file, line, place, "fix: expected to end in a command: hallmark ...")

    def _tell(self, file: str, line: int, place: str, text: str) -> None:
        self.problems.append(Problem(file, line, place, text))
