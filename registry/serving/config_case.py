"""What the rules of config.pbtxt are given: one configuration and all it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from registry.domain.readiness import Point, Signature, Weight
from registry.formats.look import Rule
from registry.names.text import visible
from registry.serving.pbtxt import Config
from registry.serving.points import point
from registry.serving.repository import Place

#: Whether a server's version knows a field: by the message's name without its package, such as
#: `ModelSequenceBatching.State`, the field's, and the version, such as 2.51.0.
IsKnown = Callable[[str, str, str], bool]


class Target(Protocol):
    """What the rules ask of a release."""

    @property
    def name(self) -> str:
        """Such as 25.10."""

    @property
    def server(self) -> str:
        """Such as 2.62.0."""

    @property
    def tensorrt(self) -> str:
        """Such as 10.13.3.9; empty where nobody wrote it down."""


def numbers(version: str) -> tuple[int, ...]:
    """Of a version or a release, to compare: (25, 10) of 25.10."""
    return tuple(int(each) for each in version.split(".") if each.isdecimal())


@dataclass(frozen=True, kw_only=True)
class Case:
    config: Config
    #: The configuration with all that Triton fills in.
    message: Any
    #: None where the model is no ONNX, or cannot be read.
    signature: Signature | None
    place: Place
    target: Target
    is_known: IsKnown
    #: Whether the signature is as ONNX Runtime tells it. Else it may infer more axes.
    is_inferred: bool = False

    @property
    def is_ensemble(self) -> bool:
        message = self.message
        return bool(message.platform == "ensemble" or message.HasField("ensemble_scheduling"))

    @property
    def is_onnx(self) -> bool:
        return bool(self.message.backend == "onnxruntime")

    def blocks(
        self,
        rule: Rule,
        way: str,
        found: str,
        expected: str = "",
        *,
        fix: str = "",
        about: str = "",
    ) -> Point:
        """What the release refuses, at a field."""
        return self._point(rule, Weight.BLOCKS, way, found, expected, fix, about)

    def doubts(
        self,
        rule: Rule,
        way: str,
        found: str,
        expected: str = "",
        *,
        fix: str = "",
        about: str = "",
    ) -> Point:
        return self._point(rule, Weight.DOUBTS, way, found, expected, fix, about)

    def remark(
        self,
        rule: Rule,
        way: str,
        found: str,
        expected: str = "",
        *,
        fix: str = "",
        about: str = "",
    ) -> Point:
        return self._point(rule, Weight.REMARK, way, found, expected, fix, about)

    def _point(
        self, rule: Rule, weight: Weight, way: str, found: str, expected: str, fix: str, about: str
    ) -> Point:
        return point(
            rule,
            weight,
            # Keys of maps are whatever the file says.
            about or visible(way),
            found,
            expected,
            fix=fix,
            path=self.place.config_path,
            position=self.config.at(way),
        )
