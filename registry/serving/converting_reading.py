"""A file by its strict parser, before anything is taken out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from registry.formats.inspect import inspect
from registry.formats.look import Budget, Effect, Look, Note, Notebook, StopLooking
from registry.formats.source import Source
from registry.serving.converting_values import CannotConvertError


def read_whole(source: Source, role: str, files: Mapping[str, int]) -> Notebook:
    """As vetting looks at it, each byte: members of archives have the CRC-32 that they state."""
    return inspect(source, role, files, Budget()).book


def read_again(
    source: Source, role: str, files: Mapping[str, int], parse: Callable[[Look], None]
) -> Notebook:
    """By its parser alone: bytes of tensors are looked at where they are compared. SpentError."""
    look = Look(
        source=source,
        role=role,
        files=files,
        budget=Budget(),
        book=Notebook(),
        inspect=lambda inner: None,
    )
    # Why stands in the book, and keeps it from being sound.
    with suppress(StopLooking):
        parse(look)
    return look.book


def finding_of(found: Notebook) -> Note | None:
    """The first that keeps the file from passing."""
    return next((note for note in found.notes if note.effect is not Effect.ADVICE), None)


def check_sound(found: Notebook) -> None:
    """CannotConvertError for what would not pass vetting."""
    if found.is_sound:
        return
    note = finding_of(found)
    if note is None:
        raise CannotConvertError("found more that is wrong than is told; vet the file first.")
    rule = note.rule
    raise CannotConvertError(f"{rule.id}: {note.message}. {rule.promise} {rule.fix}")
