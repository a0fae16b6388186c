"""What a NeMo configuration would have Hydra import and call: `_target_` and `target`.

They are how a .nemo file runs code (CVE-2025-23304); a prefix alone does not keep them in, since
Hydra goes through attributes: `nemo.utils.exp_manager.subprocess.Popen` is a name below `nemo`. The
text is judged line by line, before YAML: a target has to stand in one plain line, and what could
spell it in another way is refused.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence

_LINE = re.compile(r" *(?:- +)?(?:_target_|target): (\"?)([A-Za-z_][A-Za-z0-9_.]*)\1 *")
#: Either key, however it is written.
_KEY = re.compile(r"_target_|(?<![A-Za-z0-9_])target[\"']?\s*:")
#: Escapes, explicit keys, keys that are aliases, tags: other spellings of a key.
_OTHER = re.compile(r"\\(?:[xuUN]|$)|^\s*(?:- )*\?(?:\s|$)|\*[^\s,\[\]{}]+\s*:|(?:^|[\s\[{,])!")
_ALLOWED = re.compile(
    r"nemo\.(?:collections|core)\.[a-z0-9_.]+\.[A-Z][A-Za-z0-9_]*"
    r"|torch\.nn\.[A-Z][A-Za-z0-9]*"
    r"|torch\.optim\.(?:lr_scheduler\.)?[A-Z][A-Za-z0-9]*"
    r"|nemo_text_processing\.text_normalization\.normalize\.Normalizer"
)
#: Modules that others import, hence attributes of theirs.
_FOREIGN = sys.stdlib_module_names | {"hydra", "numpy", "np", "omegaconf", "pickle", "torch"}


def bad_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with a target that is not allowed, or with what may hide one; numbered from 1."""
    for number, line in enumerate(text.splitlines(), start=1):
        if _KEY.search(line):
            match = _LINE.fullmatch(line)
            if not match or not is_allowed(match[2]):
                yield number, line
        elif _OTHER.search(line):
            yield number, line


def is_allowed(target: str) -> bool:
    if not _ALLOWED.fullmatch(target):
        return False
    return target.startswith("torch.") or not leads_elsewhere(target.split(".")[2:])


def leads_elsewhere(parts: Sequence[str]) -> bool:
    """Whether a name, by its parts below a package, goes through a module that others import."""
    return not _FOREIGN.isdisjoint(parts)
