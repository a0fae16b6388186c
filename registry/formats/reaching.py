"""Whether a text is a template that reaches for the inside of Python's objects.

A chat template is read as a syntax tree (`template.py`). Here are the other texts of settings and
metadata, of which nobody knows whether somebody renders them: a prompt, a system message, a key of
a tool's own. In none of them has an expression in Jinja's braces a reason to name what follows.
"""

from __future__ import annotations

import re

#: From brace to brace. Longer ones are code in another language, whose braces mean other things.
EXPRESSION_CHARS_MAX = 500
_OPENING = re.compile(r"\{[{%]")
_INSIDE = re.compile(
    r"""(?<![A-Za-z0-9])__(?:class|mro|bases?|subclasses|globals|init|builtins|import|getattribute|self|dict|func
        |code|wrapped|reduce|reduce_ex|loader|spec)__
        |\\+(?:x5f|u005f|137)
        |\|\s*attr\s*\(
        |\b(?:lipsum|cycler|joiner|self|get_flashed_messages|url_for)\s*\.\s*__
        |\b(?:os|subprocess|sys|builtins)\s*\.\s*(?:system|popen|Popen|run|call|check_output|modules)
        |\b(?:__import__|eval|exec|import_module)\s*\(""",
    re.VERBOSE,
)


def reaching(text: str) -> str:
    """What it reaches for, the first of it; empty for any other text."""
    if "{{" not in text and "{%" not in text:
        return ""
    #: Where the next ones are, so that each is looked for once.
    closings = {"{{": ("}}", 0), "{%": ("%}", 0)}
    for opening in _OPENING.finditer(text):
        start = opening.end()
        closing, end = closings[opening[0]]
        if end < start:
            end = text.find(closing, start)
            end = len(text) + EXPRESSION_CHARS_MAX + 1 if end < 0 else end
            closings[opening[0]] = closing, end
        is_short = end - start <= EXPRESSION_CHARS_MAX
        if is_short and (found := _INSIDE.search(text, start, end)):
            return found[0]
    return ""
