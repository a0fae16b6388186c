"""Rules of config.pbtxt: fields that a release knows. A server refuses a whole file for one that it
does not."""

from __future__ import annotations

import re
from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor
from tritonclient.grpc import model_config_pb2

from registry.domain.readiness import Point
from registry.formats.look import Rule
from registry.serving.config_case import Case

FIELDS = Rule(
    "CONFIG-28",
    "The release knows all fields.",
    "Remove the field, or take a release that knows it.",
)
RULES = (FIELDS,)

#: Keys of maps and numbers of elements.
_INDEX = re.compile(r'\["(?:[^"\\]|\\.)*"\]|\[[0-9]+\]')


def check(case: Case) -> Iterator[Point]:
    seen: set[tuple[str, str]] = set()
    unknown: list[str] = []
    # Of what is written down, also where that is the default: a server reads names first.
    for way in case.config.positions:
        message, field = _field(way)
        is_inside = any(way.startswith(f"{each}.") for each in unknown)
        if field and (message, field) not in seen and not is_inside:
            seen.add((message, field))
            if not case.is_known(message, field, case.target.server):
                unknown.append(way)
                found = f"a field of {message} that Triton {case.target.name} does not know"
                yield case.blocks(FIELDS, way, found)


def _field(way: str) -> tuple[str, str]:
    """The message that a field is of, and its name; nothing for what no message has."""
    descriptor: Descriptor = model_config_pb2.ModelConfig.DESCRIPTOR
    *parents, last = _INDEX.sub("", way).split(".")
    for name in parents:
        field = descriptor.fields_by_name.get(name)
        if field is None or field.message_type is None:
            return "", ""
        descriptor = field.message_type
        if descriptor.GetOptions().map_entry:
            value = descriptor.fields_by_name["value"].message_type
            if value is None:
                return "", ""
            descriptor = value
    if last not in descriptor.fields_by_name:
        return "", ""
    return descriptor.full_name.partition(".")[2], last
