"""What the documents say: links lead somewhere, commands can be typed, tables are complete."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.cli.remedies import command_problem
from registry.cli.tree import COMMANDS
from registry.db.schema import HEAD
from registry.testing.policies import shipped

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: Folders of ours; others are nobody's prose.
DOCUMENTS = sorted(
    path
    for folder in (".", ".ci", "benchmarks", "bridges", "policies", "proto", "registry")
    for path in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")
)
_LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)[^)]*\)")
_ROW = re.compile(r"^\| `(\w+)` \| (.+) \|$", re.M)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Whatever a document links to in this repository is there."""
    for target in _LINK.findall(document.read_text(encoding="utf-8")):
        if "://" not in target:
            place = document.parent / target
            assert place.exists(), target
            assert place.is_file() or (place / "README.md").is_file(), f"{target} has no README.md"


def test_folders_of_the_map_are_there() -> None:
    """The map of the house names what exists."""
    table = README[README.index("## Map of the house") : README.index("Imports run downward")]
    for row in re.findall(r"^\| (`.+?`) \|", table, re.M):
        prefix = ROOT / "registry" if row.startswith("`registry/") else ROOT
        first, *rest = (name.strip("`/ ") for name in row.split(","))
        assert (ROOT / first).exists(), first
        for name in rest:
            assert (ROOT / name).exists() or (prefix / name).exists(), name


def typed(text: str) -> Iterator[str]:
    """Our commands in blocks of code and in the table of what to type, as the shell gives them."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    lines = [
        line
        for language, block in blocks
        if not language
        for line in block.replace("\\\n", " ").splitlines()
    ]
    table = text[text.index("| to | type |") : text.index("## Proof")]
    lines += re.findall(r"`(hallmark [^`]+)`", table)
    for line in lines:
        for part in line.split(" && "):
            words = shlex.split(part, comments=True)
            while words and "=" in words[0] and not words[0].startswith("-"):
                words.pop(0)
            if words[:1] == ["hallmark"]:
                yield shlex.join(words[: words.index(">")] if ">" in words else words)


def test_commands_of_the_readme_can_be_typed() -> None:
    """Our own command line takes every command that stands there, options and arguments."""
    commands = list(typed(README))
    assert len(commands) > 40
    assert {command: command_problem(command) for command in commands} == dict.fromkeys(
        commands, ""
    )


def test_the_readme_names_every_command() -> None:
    """The overview has each command of the first level once."""
    table = README[README.index("| for | commands |") : README.index("For developers:")]
    assert sorted(re.findall(r"`([a-z]+)`", table)) == sorted(entry.name for entry in COMMANDS)


def test_the_readme_names_every_shipped_rule() -> None:
    """The table of gates has a row for each gate, with exactly its rules."""
    table = README[README.index("| gate | rules |") : README.index("Most ask for nothing")]
    told = {gate: set(re.findall(r"`([A-Z0-9-]+)`", rules)) for gate, rules in _ROW.findall(table)}
    policy = shipped().policy.policy_set
    assert told == {gate.gate.value: {rule.id for rule in gate.rules} for gate in policy.gates}


def test_the_release_notes_name_the_schema() -> None:
    """Whoever upgrades is told which revision the first start brings the database to."""
    newest = README.partition("## Release notes")[2].partition("\n### 0.1.0")[0]
    assert f"revision {HEAD}" in newest
