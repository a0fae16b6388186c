"""Policy sets for random histories: files to propose, and what the model makes of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from registry.domain.times import show_time
from registry.policies.evaluator import CompiledPolicy
from registry.policies.google import GoogleEngine
from registry.policies.loader import load
from registry.testing.clock import FixedClock
from registry.testing.decision_model import Rules
from registry.testing.policies import RememberingReader

DAY_US = 24 * 3600 * 1_000_000
START_US = FixedClock().now_us()
DATASET = "sha256:" + "d" * 64
FLOOR = 0.9
FREEZE_US = (START_US + 5 * DAY_US, START_US + 25 * DAY_US)
PICKLES = {"production": frozenset({"pickle"})}

#: What every request of these histories says; examples in the files say something else.
NOTE = "please"

_TWO = f"""rules:
- id: TWO
  when: "request.note == '{NOTE}'"
  require: "others.size() >= 2 && others.exists(d, 'security' in d.groups)"
  waits: true
  message: "{{others.size()}} of 2 approvals."
  fix: "Ask somebody else too: hallmark decide {{request.promotion}} --approve"
"""
_TWO_TESTS = f"""
tests:
- name: one where two are asked for
  given: {{request: {{note: {NOTE}}}}}
  refused: [TWO]
"""


class Reader(RememberingReader):
    """Compiles nothing twice, and tries no examples: sets that were broken on purpose fail them."""

    _compiled: ClassVar[dict[bytes, CompiledPolicy]] = {}

    def compile(self, content: bytes) -> CompiledPolicy:
        if content not in self._compiled:
            self._compiled[content] = super().compile(content)
        return self._compiled[content]

    def read(self, files: Mapping[str, bytes]) -> tuple[bytes, CompiledPolicy]:
        key = b"\0".join(files[name] for name in sorted(files))
        if key not in self._compiled:
            self._compiled[key] = load(files, GoogleEngine()).policy
        policy = self._compiled[key]
        return policy.policy_set.content(), policy


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A set that may be proposed."""

    files: Mapping[str, bytes]
    digest: str
    content: bytes
    rules: Rules


def offers(base: Mapping[str, bytes]) -> list[Offer]:
    """The first is as the files are, but that approvals count for ten days and requests wait for
    thirty."""
    days = {"approval_validity: 2160h": "approval_validity: 240h", "336h": "720h"}
    freeze = (
        f'freezes: [{{start: "{show_time(FREEZE_US[0])}", end: "{show_time(FREEZE_US[1])}", '
        "stages: [production], reason: audit}]"
    )
    floor = (
        f'floors: [{{stage: production, evaluation: holdout, dataset: "{DATASET}", '
        f"metric: auc, least: {FLOOR}}}]"
    )
    made: list[tuple[dict[str, str], bool, dict[str, object]]] = [
        (days, False, {}),
        ({**days, "custom: {}": "custom: {tag: 1}"}, False, {}),
        (days, True, {"approvals": 2, "group": "security"}),
        ({**days, "freezes: []": freeze}, False, {"freezes": (("production", *FREEZE_US),)}),
        ({**days, "floors: []": floor}, False, {"floors": {"production": FLOOR}}),
    ]
    return [_offer(base, changes, is_two, more) for changes, is_two, more in made]


def _offer(
    base: Mapping[str, bytes], changes: Mapping[str, str], is_two: bool, more: Mapping[str, object]
) -> Offer:
    files = dict(base)
    settings = files["settings.yaml"].decode()
    for old, new in changes.items():
        assert old in settings, old
        settings = settings.replace(old, new)
    files["settings.yaml"] = settings.encode()
    if is_two:
        text = files["promote.yaml"].decode().replace("rules:\n", _TWO, 1)
        files["promote.yaml"] = text.replace("\ntests:\n", _TWO_TESTS, 1).encode()
    content, policy = Reader().read(files)
    rules = Rules(
        approval_validity_us=10 * DAY_US,
        request_ttl_us=30 * DAY_US,
        denied_formats=PICKLES,
        **more,  # type: ignore[arg-type]
    )
    return Offer(files=files, digest=policy.digest, content=content, rules=rules)
