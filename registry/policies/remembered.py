"""Answers that need not be worked out again: a gate is asked the same of thousands of versions.

An answer depends on nothing but what the gate's expressions read. Whatever they read begins with
the name of a part of the document, before which a dot may stand. So what stands behind each such
name in their texts, as far as it is written out, is all that matters. A text that only looks like a
name makes the rest wider, never narrower.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from registry.domain.policies import RuleResult

KEPT_MAX = 4096
_MISSING = object()
_SETTINGS = "settings"

Key = tuple[str, ...]


class Answers:
    """Of one gate of one set. Only of those that let everything pass: what is refused is told with
    the values of this very case. Threads share one."""

    def __init__(self, texts: Collection[str], names: Collection[str]) -> None:
        """`texts` are all expressions of the gate, `names` the parts of a document."""
        path = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(names))})\b(?:\s*\.\s*[A-Za-z_]\w*)*")
        found = {re.sub(r"\s", "", each) for text in texts for each in path.findall(text)}
        paths = [tuple(each.split(".")) for each in sorted(found)]
        #: Time goes on, so what reads it is never asked the same again.
        self._is_of_use = not any(each[0] == "now" for each in paths)
        self._paths = [each for each in paths if each[0] != _SETTINGS]
        #: What stands behind these is the same as long as the settings are the same object.
        self._setting_paths = [each for each in paths if each[0] == _SETTINGS]
        self._latest: tuple[object, Key] = (_MISSING, ())
        self._kept: dict[Key, tuple[RuleResult, ...]] = {}

    def find(self, document: Mapping[str, object]) -> tuple[Key, tuple[RuleResult, ...] | None]:
        """The key by which an answer to this document is kept, and the answer if there is one."""
        if not self._is_of_use:
            return (), None
        key = self._settings_key(document) + _key(document, self._paths)
        return key, self._kept.get(key)

    def _settings_key(self, document: Mapping[str, object]) -> Key:
        if not self._setting_paths:
            return ()
        settings = document.get(_SETTINGS)
        latest, key = self._latest
        if settings is not latest:
            key = _key(document, self._setting_paths)
            self._latest = (settings, key)
        return key

    def keep(self, key: Key, results: tuple[RuleResult, ...]) -> None:
        if not key or not all(each.passed and not each.waived_by for each in results):
            return
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[key] = results


def _key(document: Mapping[str, object], paths: Sequence[Sequence[str]]) -> Key:
    return tuple([repr(_behind(document, path)) for path in paths])


def _behind(document: Mapping[str, object], path: Sequence[str]) -> object:
    """What stands at the path, or at the last place of it that is there: what follows may be the
    name of a function."""
    first, *rest = path
    try:
        here = document[first]
    except KeyError:
        return _MISSING
    for step in rest:
        if not isinstance(here, Mapping):
            return here
        if step not in here:
            return _MISSING
        here = here[step]
    return here
