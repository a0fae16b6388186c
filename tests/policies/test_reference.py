"""policies/README.md: it names every field, and its example works as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import pytest
import yaml

from registry.cli.policy_files import remedy_problems
from registry.domain.policies import Gate
from registry.domain.policy_settings import SETTINGS
from registry.policies.evaluator import CompiledPolicy
from registry.policies.examples import EXAMPLE_SETTINGS, base_document, whole_document
from registry.policies.google import GoogleEngine
from registry.policies.loader import failed_examples, load
from registry.shipped import shipped_folder
from registry.testing.policies import shipped_files

pytestmark = pytest.mark.usefixtures("policy_files_read_once")


README = (shipped_folder() / "README.md").read_text(encoding="utf-8")
REFERENCE = README[README.index("## The document") : README.index("## CEL in one page")]
#: Maps whose keys are somebody's own, and `current`, which is as `version`.
WHOLE = ("version.card", "evaluations[].metrics", "current", "settings")
TYPES = {
    "text": str,
    "time": str,
    "bool": bool,
    "int": int,
    "list of text": list,
    "list of maps": list,
    "map": dict,
}


def documented() -> dict[str, str]:
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]+?) \|", REFERENCE, re.M))


def fields(value: Any, place: str = "") -> Iterator[tuple[str, object]]:
    if place in (
        "version",
        "evaluations",
        "decisions",
        "waivers",
        "version.findings",
        "version.datasets",
        "version.bases",
        *WHOLE,
    ):
        yield place, value
    if place in WHOLE:
        return
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from fields(each, f"{place}.{key}" if place else key)
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        yield from fields(value[0], f"{place}[]")
    elif place not in WHOLE:
        yield place, value


def test_the_reference_is_complete(policy: CompiledPolicy) -> None:
    """It names exactly the fields that the builder makes, each with its type."""
    document = whole_document(policy.policy_set.settings)
    made = {place: value for place, value in fields(document) if not place.endswith("]")}
    told = documented()
    assert told.keys() == made.keys()
    for place, value in made.items():
        assert isinstance(value, TYPES[told[place]]), place


def test_current_is_as_version(policy: CompiledPolicy) -> None:
    """What the stage holds has the fields of the version, and its evaluations."""
    document = whole_document(policy.policy_set.settings)
    assert document["current"].keys() == document["version"].keys() | {"evaluations"}


def test_every_setting_is_shipped_with_a_word() -> None:
    """settings.yaml has each setting."""
    text = shipped_files()["settings.yaml"].decode()
    assert yaml.safe_load(text).keys() == SETTINGS.keys()
    assert yaml.safe_load(text) == EXAMPLE_SETTINGS


def pasted(rule: str, setting: str) -> dict[str, bytes]:
    """The shipped files with a rule of the README, its examples and settings put in as it says."""
    top, rules, tests = re.split(r"^(?:rules|tests):\n", rule, flags=re.M)
    promote = shipped_files()["promote.yaml"].decode()
    promote = promote.replace("\nrules:\n", f"\n{top}rules:\n", 1)
    promote = promote.replace("\ntests:\n", f"\n{rules}\ntests:\n{tests}", 1)
    settings = shipped_files()["settings.yaml"].decode().replace("custom: {}\n", setting)
    return dict(shipped_files()) | {
        "promote.yaml": promote.encode(),
        "settings.yaml": settings.encode(),
    }


BLOCKS = re.findall(r"```yaml\n(.*?)```", README, re.S)
RULES = [block for block in BLOCKS if "rules:\n" in block]
#: By the rule before it; others need none.
CUSTOM = {before: block for before, block in pairwise(BLOCKS) if block.startswith("custom:")}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: re.findall(r"id: (\S+)", rule)[0])
@pytest.mark.slow
def test_the_rules_of_the_readme_work(rule: str) -> None:
    """Each rule with its examples and its setting can be pasted as it stands there, its mend can be
    typed, and it refuses something."""
    loaded = load(pasted(rule, CUSTOM.get(rule, "custom: {}\n")), GoogleEngine())
    assert [str(each) for each in failed_examples(loaded)] == []
    assert remedy_problems(loaded) == []
    (id,) = re.findall(r"id: (\S+)", rule)
    assert {id} in [set(example.refused) for example in loaded.examples]


def test_the_lets_of_the_readme_are_those_of_the_gate(policy: CompiledPolicy) -> None:
    """What rules may build upon is there under these names."""
    (promote,) = [gate for gate in policy.policy_set.gates if gate.gate.value == "promote"]
    table = README[README.index("| let | |") : README.index("Whatever has no value")]
    told = re.findall(r"^\| `(\w+)` \|", table, re.M)
    assert len(told) > 3
    assert set(told) <= {name for name, _ in promote.lets}


def test_what_has_something_at_promote_alone(policy: CompiledPolicy) -> None:
    """The reference says which fields are empty at all other gates."""
    for gate in Gate:
        if gate is Gate.PROMOTE:
            continue
        document = base_document("internal", gate, policy.policy_set.settings)
        assert [document[name] for name in ("evaluations", "current", "decisions")] == [[], {}, []]
        assert document["target"]["stage"] == document["request"]["requester"] == ""


@pytest.mark.parametrize("gate", ["register", "mirror", "release", "promote", "fetch", "delete"])
def test_every_gate_is_described(gate: str) -> None:
    """The table of gates has each of them."""
    assert f"| `{gate}` |" in README
