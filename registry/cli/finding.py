"""Names as people shorten them: `scorer` for fraud/scorer, `prod` for production.

A whole name is taken as it is, without asking. A shortened one has to fit exactly one thing; else
what it could be is said, or what comes nearest.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NoReturn

import click

from registry.cli.session import Session
from registry.cli.tree import complete_word
from registry.names import DEFAULT_STAGES

if TYPE_CHECKING:
    from registry.client.errors import NotFoundError

_MODELS_SEARCHED = 1000


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


def suggest_model(session: Session, path: str, error: NotFoundError) -> NoReturn:
    """Raise the error, with the nearest models where it is the model that is missing."""
    from registry.client.errors import ClientError, NotFoundError

    if error.metadata.get("kind") != "model":
        raise error
    try:
        near = difflib.get_close_matches(path, _models(session, ""), n=3, cutoff=0.6)
    except ClientError:
        # Only a courtesy: where models cannot be listed, the first error says enough.
        raise error from None
    if not near:
        raise error
    raise NotFoundError(
        f"There is no model {path}. Did you mean {' or '.join(near)}?",
        reason=error.reason,
        metadata=error.metadata,
    ) from error


def _models(session: Session, text: str) -> list[str]:
    from itertools import islice

    found = session.client.models.list(text=text)
    return [model.path for model in islice(found, _MODELS_SEARCHED)]
