"""policies/README.md: it names every field, and its example works as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from registry.domain.policy_settings import SETTINGS
from registry.policies.evaluator import CompiledPolicy
from registry.policies.examples import EXAMPLE_SETTINGS, whole_document
from registry.policies.google import GoogleEngine
from registry.policies.loader import failed_examples, load
from registry.policies.shipped import shipped_folder
from registry.testing.policies import shipped_files

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


def test_the_new_rule_of_the_readme_works() -> None:
    """The rule, its examples and its setting can be pasted as they stand there."""
    rule, setting = re.findall(r"```yaml\n(.*?)```", README, re.S)
    rules, tests = rule.removeprefix("rules:\n").split("tests:\n")
    files = dict(shipped_files())
    promote = files["promote.yaml"].decode()
    promote = promote.replace("\ntests:\n", f"\n{rules}\ntests:\n{tests}", 1)
    files["promote.yaml"] = promote.encode()
    settings = files["settings.yaml"].decode().replace("custom: {}\n", setting)
    files["settings.yaml"] = settings.encode()
    loaded = load(files, GoogleEngine())
    assert failed_examples(loaded) == ()
    assert {"CONTACT-1"} in [set(example.refused) for example in loaded.examples]


@pytest.mark.parametrize("gate", ["register", "mirror", "release", "promote", "fetch", "delete"])
def test_every_gate_is_described(gate: str) -> None:
    """The table of gates has each of them."""
    assert f"| `{gate}` |" in README
