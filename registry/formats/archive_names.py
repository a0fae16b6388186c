"""Names of an archive's members: safe to unpack anywhere, and one file to all readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from registry.errors import InvalidFieldError
from registry.formats.look import Look, Rule, quoted
from registry.names.paths import find_conflicts, safe_path

#: Of one archive; more of them tell nothing new.
_CONFLICTS_MAX = 20
#: No name that is let in: it begins with a blank.
_INSIDE = " "


def check_name(look: Look, rule: Rule, name: str, offset: int, *, is_key: bool = False) -> None:
    """A member's name, or a folder's without its slash at the end. What `is_key` is never unpacked
    into a file of that name: it may hold colons, as variables of TensorFlow do."""
    try:
        safe_path(name.replace(":", "_") if is_key else name, field="name")
    except InvalidFieldError as error:
        look.refuse(rule, f"found {error.found}, expected {error.expected}", offset=offset)


def check_names(look: Look, rule: Rule, files: Sequence[str], folders: Sequence[str]) -> None:
    """That no two of them become one, or lie in one another, on some file system."""
    for folder in _twice(folders):
        look.refuse(rule, f"found folder {quoted(folder)} twice, expected each name once")
    # A folder is where something lies; of what lies in it only its place matters.
    placed = [*files, *(f"{folder}/{_INSIDE}" for folder in set(folders))]
    for error in islice(find_conflicts(placed, field="name"), _CONFLICTS_MAX):
        look.refuse(rule, f"found {error.found}, expected {error.expected}")


def _twice(names: Sequence[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)[:_CONFLICTS_MAX]
