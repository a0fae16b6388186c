"""Names as people shorten them: `scorer` for fraud/scorer, `prod` for production.

A whole name is taken as it is, without asking. A shortened one has to fit exactly one thing; else
what it could be is said, or what comes nearest.
"""

from __future__ import annotations

import difflib
from itertools import islice
from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.session import Session
from registry.cli.tree import complete_word
from registry.names import DEFAULT_STAGES

if TYPE_CHECKING:
    from registry.client.errors import NotFoundError

_SEARCHED = 1000


def find_model(session: Session, text: str) -> str:
    """`fraud/scorer` of a whole name, or of one that fits a single model's last part."""
    text = text.removeprefix("models/")
    if "/" in text:
        return text
    found = _models(session, text)
    whole = [path for path in found if path.rpartition("/")[2] == text]
    fitting = whole or [path for path in found if path.rpartition("/")[2].startswith(text)]
    if len(fitting) == 1 and text:
        session.note(f"{text} is {fitting[0]}.")
        return fitting[0]
    if fitting and text:
        shown = ", ".join(fitting[:5]) + (", ..." if len(fitting) > 5 else "")
        raise click.UsageError(f"Model {text!r} could be {shown}. Write more of it.")
    raise click.UsageError(
        f"There is no model {text!r} that you may read. Models are written <namespace>/<name>; "
        "see them with: hallmark list"
    )


def find_reference(session: Session, text: str) -> str:
    """`fraud/scorer@7`, its model perhaps shortened. Without `@` it says how to name a version."""
    if text.startswith("models/"):
        text = output.path_of(text)
    model, at, selector = text.partition("@")
    if not at or not selector:
        path = find_model(session, model)
        raise click.UsageError(
            f"Which version of {path}? Write {path}@7, {path}@production or the like; "
            f"see them with: hallmark version list {path}"
        )
    return f"{find_model(session, model)}@{selector}"


def find_stage(session: Session, text: str) -> str:
    """A stage's whole name; a usual one is taken as it is, others are looked up."""
    if text in DEFAULT_STAGES:
        return text
    return complete_word(text, list(session.client.info().exclusive_stages), what="stage")


def with_nearest(session: Session, error: NotFoundError) -> NotFoundError:
    """The error, with what comes nearest where a model or a name within one is missing."""
    from registry.client.errors import ClientError, NotFoundError

    kind, name = error.metadata.get("kind"), output.path_of(error.metadata.get("name", ""))
    try:
        if kind == "model":
            near = _near(name, _models(session, ""))
        elif kind == "reference" and "@" in name:
            path, _, word = name.partition("@")
            near = [f"{path}@{each}" for each in _near(word, _references(session, path))]
        elif kind == "version" and "@" in name:
            path, _, word = name.partition("@")
            models = _models(session, "")
            near = [] if path in models else [f"{each}@{word}" for each in _near(path, models)]
        else:
            return error
    except ClientError:
        # Only a courtesy: where nothing can be listed, the error says enough by itself.
        return error
    if not near:
        return error
    return NotFoundError(
        f"There is no {kind} {name}. Did you mean {' or '.join(near)}?",
        reason=error.reason,
        metadata=error.metadata,
    )


def _near(word: str, names: list[str]) -> list[str]:
    """Names that begin with the word, else those that look like it."""
    beginning = [name for name in names if name.startswith(word)]
    return beginning[:3] or difflib.get_close_matches(word, names, n=3, cutoff=0.6)


def _references(session: Session, path: str) -> list[str]:
    found = session.client.references.list(path)
    return [reference.id for reference in islice(found, _SEARCHED)]


def _models(session: Session, text: str) -> list[str]:
    found = session.client.models.list(text=text)
    return [model.path for model in islice(found, _SEARCHED)]
