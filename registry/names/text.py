"""Showing foreign text: an error about a hostile name must not carry the attack on."""

from __future__ import annotations

import re
import unicodedata

from registry.errors import InvalidFieldError

_SHOWN_MAX = 96

#: Assigned letters, marks and symbols that draw nothing (Unicode's Default_Ignorable_Code_Point
#: outside category Cf, and the empty braille cell).
_INVISIBLE = frozenset(
    map(
        chr,
        [
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
            *(*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)),
        ],
    )
)

_DEVICE = re.compile(r"CON|PRN|AUX|NUL|CLOCK\$|CONIN\$|CONOUT\$|(COM|LPT)[0-9]")


def codepoint(character: str) -> str:
    """One character as U+XXXX with its Unicode name where it has one."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" {name}" if name else "")


def is_visible(character: str) -> bool:
    """False for what a reader cannot see: controls, formats, private use, odd blanks, fillers."""
    category = unicodedata.category(character)
    if category[0] == "C" or category in ("Zl", "Zp"):
        return False
    return character == " " or (category != "Zs" and character not in _INVISIBLE)


def visible(text: str) -> str:
    """Foreign text, safe to print: what cannot be seen as <U+XXXX>."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if is_visible(c) else f"<U+{ord(c):04X}>" for c in text)


def show(text: str) -> str:
    """Foreign text in quotes, safe to print, and cut where it is long."""
    rest = len(text) - _SHOWN_MAX
    shown = f"'{visible(text[:_SHOWN_MAX])}'"
    return shown if rest <= 0 else f"{shown} and {rest} more characters"


def is_device_name(segment: str) -> bool:
    """True where Windows takes the segment for a device, whatever its extension: `nul.txt`."""
    stem = unicodedata.normalize("NFKC", segment.split(".", 1)[0]).rstrip(" ")
    return _DEVICE.fullmatch(stem.upper()) is not None


def invalid(field: str, found: str, expected: str, fix: str) -> InvalidFieldError:
    """InvalidFieldError in one line, for its many callers here."""
    return InvalidFieldError(field=field, found=found, expected=expected, fix=fix)
