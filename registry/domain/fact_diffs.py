"""What vetting learned of two versions' files, side by side: tensors, config, chat templates."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

#: Facts of one side, by path and then by name.
FactsByPath = Mapping[str, Mapping[str, Any]]

TENSORS = "tensors"
CONFIG = "config"
TEMPLATES = "chat_templates"
#: Files of a side whose facts are compared: those whose bytes the other side has not.
FILES_MAX = 200
TEMPLATE_LINES_MAX = 1000


def tensors_of(facts: FactsByPath) -> Mapping[str, str]:
    """What each tensor is, such as `F32 [2, 3]`, by the path of its file and its name. Shards of
    one model are one: so models that are cut otherwise have the same tensors."""
    found: dict[str, str] = {}
    for path, of_file in sorted(facts.items()):
        for each in of_file.get(TENSORS, ()):
            said = f"{each.get('dtype', '?')} {each.get('shape', [])}"
            found[f"{_whole(path)}: {each.get('name', '')}"] = said
    return found


def config_of(facts: FactsByPath) -> Mapping[str, Any]:
    """The values of each configuration file, by its path."""
    return {path: of_file[CONFIG] for path, of_file in facts.items() if CONFIG in of_file}


def template_lines(base: FactsByPath, other: FactsByPath) -> Iterator[str]:
    """Chat templates that differ, line by line as `diff -u` has it."""
    old, new = _templates(base), _templates(other)
    for name in sorted(old.keys() | new.keys()):
        before, after = (side.get(name, "").splitlines() for side in (old, new))
        yield from difflib.unified_diff(before, after, f"base {name}", f"other {name}", lineterm="")


def shown(lines: Iterator[str]) -> tuple[str, ...]:
    """As many as fit a reply."""
    return tuple(islice(lines, TEMPLATE_LINES_MAX))


def _templates(facts: FactsByPath) -> Mapping[str, str]:
    return {
        f"{path} {name}": text
        for path, of_file in facts.items()
        for name, text in of_file.get(TEMPLATES, {}).items()
    }


def _whole(path: str) -> str:
    """`model-00001-of-00003.safetensors` is a part of `model.safetensors`."""
    stem, dot, ending = path.rpartition(".")
    head, of, count = stem.rpartition("-of-")
    name, dash, number = head.rpartition("-")
    is_shard = of and dash and count.isdigit() and number.isdigit()
    return f"{name}{dot}{ending}" if is_shard else path
