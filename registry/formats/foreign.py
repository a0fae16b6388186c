"""Files that no parser covers, and programs that have no place in a model.

The first are unknown, whatever is in them. Some show by a look that they should not be here, and
fail: nobody has to find out what else they are.
"""

from __future__ import annotations

import re

from registry.formats import template
from registry.formats.look import Look, Rule, quoted
from registry.formats.reaching import reaching

#: Of a text, to look at as a whole.
LOOKED_AT_BYTES = 4 * 1024 * 1024

PROGRAM = Rule(
    "FOREIGN-1",
    "Programs and shortcuts of an operating system's shell, a browser or a Java machine are no "
    "part of a model.",
    "Leave them out of the version; install them with the software that needs them.",
)
STARTUP = Rule(
    "FOREIGN-2",
    "No file is one that Python, a shell or an installer obeys by itself when it starts, such as "
    "sitecustomize.py, .bashrc and pip.conf.",
    "Leave it out of the version, and call what it does where it is needed.",
)
SCRIPT = Rule(
    "FOREIGN-3",
    "A file that begins with `#!` is a script by its name too.",
    "Name it as a script, such as .sh or .py, or remove its first line.",
)
ENTITY = Rule(
    "FOREIGN-4",
    "XML has no entities of its own, and no document type from elsewhere.",
    "Write the values out, and remove the declaration.",
)
DRAWING = Rule(
    "FOREIGN-5",
    "A drawing (SVG) holds no script.",
    "Save the drawing as plain SVG or PNG, and push that.",
)
RULES = (PROGRAM, STARTUP, SCRIPT, ENTITY, DRAWING)

_SCRIPT = re.compile(rb"(\xef\xbb\xbf)?#![ \t]*/")
_ENTITY = re.compile(
    r"<!ENTITY\b|<!DOCTYPE\s{1,9}(?!html\b|svg\b)[^>\[]{1,100}\b(?:SYSTEM|PUBLIC)\b", re.IGNORECASE
)
_DRAWING = re.compile(r"(?:\ufeff|\s|<\?xml[^>]{0,200}>|<!--(?:[^-]|-(?!->)){0,2000}-->)*<svg\b")
_ACTIVE = re.compile(
    r"<script\b|<foreignObject\b|<iframe\b|\son[a-z]{3,30}\s*=|javascript:", re.IGNORECASE
)


def read_program(look: Look) -> None:
    look.refuse(PROGRAM, f"found {look.source.size_bytes} bytes of it", offset=0)


def read_startup(look: Look) -> None:
    """Facts: `code_present`."""
    look.facts["code_present"] = True
    look.refuse(STARTUP, f"found {look.source.size_bytes} bytes of it", offset=0)


def check_script(look: Look) -> None:
    """Of a text whose name says that nothing runs it."""
    line = look.source.read(0, 64).partition(b"\n")[0]
    if _SCRIPT.match(line):
        look.refuse(SCRIPT, f"found {quoted(line)}", offset=0)


def check_text(look: Look) -> None:
    """A text that no parser covers."""
    check_script(look)
    text = look.source.read(0, LOOKED_AT_BYTES).decode("utf-8", "replace")
    if found := _ENTITY.search(text):
        look.refuse(ENTITY, f"found {quoted(found[0])}")
    if _DRAWING.match(text) and (found := _ACTIVE.search(text)):
        look.refuse(DRAWING, f"found {quoted(found[0])}")
    reached = reaching(text)
    if reached:
        look.refuse(template.HIDDEN, f"found {quoted(reached)} in a template's braces")
    else:
        template.check_other(look, text, name="")
