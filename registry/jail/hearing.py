"""Texts of the jail's word, made fit to be shown.

Parsers escape what they quote, and bound what they say. But who says it has read hostile bytes, and
may have been taken over by them: then it says whatever it likes, to a terminal, a page, a database.
"""

from __future__ import annotations

import re

from registry.names.text import visible

TEXT_CHARS_MAX = 4000


def line_of(text: object) -> str:
    """Foreign text in one line, safe to print, and cut where it is long. TypeError for no text."""
    if not isinstance(text, str):
        raise TypeError(f"found {type(text).__name__}, expected a text")
    said = visible(text[:TEXT_CHARS_MAX])
    return said if len(text) <= TEXT_CHARS_MAX else f"{said}..."


def matching(pattern: re.Pattern[str], said: object) -> str:
    """A text that is of the pattern as a whole; ValueError for another."""
    if not isinstance(said, str) or not pattern.fullmatch(said):
        raise ValueError(f"found {said!r:.60}, expected {pattern.pattern}")
    return said
