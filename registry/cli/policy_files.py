"""policy test, check, diff: policy sets as files, without a server."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.cli import exits, output
from registry.cli.remedies import command_problem
from registry.cli.session import Session, with_session

if TYPE_CHECKING:
    from registry.domain.policy_sets import Difference, PolicySet
    from registry.policies.loader import Loaded
    from registry.policies.problems import Problem

FOLDER_VARIABLE = "HALLMARK_POLICY_DIR"
_ACTIVE = "active"
#: Failed examples that people are shown; JSON has all.
_SHOWN = 10

folder_argument = click.argument("folder", metavar="[DIR]", default="")


@click.command("test")
@folder_argument
@with_session
def test(session: Session, folder: str) -> None:
    """Run the examples in the files of DIR; exit code 1 where one fails. Needs no server."""
    from registry.policies.loader import failed_examples

    loaded = _loaded(session, folder)
    failed = {(each.file, each.line): each for each in failed_examples(loaded)}
    shown = [
        {
            "gate": example.gate.value,
            "name": example.name,
            "refused": example.refused,
            "problem": str(failed.get((f"{example.gate.value}.yaml", example.line), "")),
        }
        for example in loaded.examples
    ]
    digest, count = loaded.policy.digest, len(loaded.examples)
    session.emit(
        {"digest": digest, "examples": shown},
        [
            *_gate_lines(shown),
            *_shown(list(failed.values())),
            *_advice(list(failed.values())),
            f"{count - len(failed)} of {count} examples hold.   {digest}",
        ],
    )
    if failed:
        raise click.exceptions.Exit(exits.REFUSED)


def _gate_lines(shown: Sequence[Mapping[str, object]]) -> list[str]:
    """How many examples hold of each gate."""
    rows = []
    for gate in dict.fromkeys(str(each["gate"]) for each in shown):
        mine = [each for each in shown if each["gate"] == gate]
        held = sum(not each["problem"] for each in mine)
        mark = "✓" if held == len(mine) else "✗"
        rows.append((mark, gate, f"{held} of {output.counted(len(mine), 'example')}"))
    return output.table(rows)


def _advice(failed: Sequence[Problem]) -> list[str]:
    """What to do about rules that fail in many examples at once."""
    told = "\n".join(map(str, failed))
    broken = Counter(re.findall(r"(?:: |; )(\S+) could not be evaluated: ", told))
    broad = Counter(re.findall(r"(?:: |; )(\S+) refuses it: ", told))
    return [
        *(
            f"{rule} could not be evaluated in {output.counted(count, 'example')}: is a name "
            "misspelt, or a value of another type? What may be absent is asked for first: "
            "has(version.card.contact) && ..."
            for rule, count in broken.items()
        ),
        *(
            f"{rule} refuses {count} examples that are about other rules: narrow its `when`, or say"
            " in `given` at the top of the file what they all need to pass it."
            for rule, count in broad.items()
            if count > 1
        ),
    ]


def _shown(failed: Sequence[Problem]) -> list[str]:
    lines = [str(each) for each in failed[:_SHOWN]]
    more = len(failed) - len(lines)
    return [*lines, f"... and {output.counted(more, 'example')} more"] if more else lines


@click.command("check")
@folder_argument
@with_session
def check(session: Session, folder: str) -> None:
    """Check the files of DIR: expressions, names, placeholders, and that each mend can be typed."""
    from registry.policies.loader import SETTINGS_FILE

    loaded = _loaded(session, folder)
    problems = remedy_problems(loaded)
    if problems:
        _tell(session, problems)
    gates, digest = loaded.policy.policy_set.gates, loaded.policy.digest
    rules = sum(len(gate.rules) for gate in gates)
    session.emit(
        {"digest": digest, "gates": len(gates), "rules": rules, "problems": []},
        [f"{rules} rules of {len(gates)} gates, and {SETTINGS_FILE}: good.   {digest}"],
    )


@click.command("diff")
@click.argument("before", metavar="[DIR|DIGEST]", default=_ACTIVE)
@click.argument("after", metavar="[DIR|DIGEST]", default="")
@with_session
def diff(session: Session, before: str, after: str) -> None:
    """Compare two sets, by default the active one and the files: what decides differently."""
    from registry.domain.policy_sets import differences

    old, new = _set_of(session, before), _set_of(session, after)
    found = differences(old, new)
    session.emit(
        {"before": old.digest, "after": new.digest, "differences": found},
        [f"{session.digest(old.digest)} -> {session.digest(new.digest)}", *difference_lines(found)],
    )


def difference_lines(found: Sequence[Difference]) -> list[str]:
    """What was there with -, what is now with +."""
    lines: list[str] = []
    for each in found:
        lines.append(f"  {each.place}")
        if each.before:
            lines.append(f"    - {each.before}")
        if each.after:
            lines.append(f"    + {each.after}")
    return lines or ["  nothing differs"]


def remedy_problems(loaded: Loaded) -> list[Problem]:
    """Fixes that our own command line would not take, as written and as the examples fill them."""
    from registry.policies.examples import answer_to
    from registry.policies.problems import Problem

    problems: dict[tuple[str, str], Problem] = {}
    for example in loaded.examples:
        file = f"{example.gate.value}.yaml"
        try:
            results = answer_to(loaded.policy, example)
        except ValueError as error:
            place = f"test {example.name!r}"
            text = f"its document cannot be made: {error}"
            problems[file, place] = Problem(file, example.line, place, text)
            continue
        for result in results:
            wrong = "" if result.passed else command_problem(result.fix)
            if wrong:
                place = f"rule {result.rule}"
                problems[file, place] = Problem(file, 0, place, f"fix: {wrong}")
    return list(problems.values())


def read_files(folder: str) -> dict[str, bytes]:
    """The files of a set: in this folder, or that of the environment, or those shipped."""
    from registry.policies.loader import PolicyFilesError, read_folder
    from registry.shipped import shipped_folder

    place = folder or os.environ.get(FOLDER_VARIABLE, "")
    try:
        return read_folder(Path(place) if place else shipped_folder())
    except PolicyFilesError as error:
        raise click.UsageError(str(error)) from error


def _loaded(session: Session, folder: str) -> Loaded:
    from registry.policies.google import GoogleEngine
    from registry.policies.loader import PolicyFilesError, load

    files = read_files(folder)
    try:
        return load(files, GoogleEngine())
    except PolicyFilesError as error:
        _tell(session, error.problems)
        raise


def _tell(session: Session, problems: Sequence[Problem]) -> None:
    session.emit({"problems": [str(each) for each in problems]}, map(str, problems))
    raise click.exceptions.Exit(exits.REFUSED)


def _set_of(session: Session, text: str) -> PolicySet:
    from registry.domain.policy_sets import set_of

    if text == _ACTIVE:
        return set_of(session.client.policies.active().content)
    if text.startswith("sha256:"):
        return set_of(session.client.policies.get(text).content)
    return _loaded(session, text).policy.policy_set
