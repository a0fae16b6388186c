"""Which fields a config.pbtxt may have, by the version of Triton's server: measured, by
`.ci/triton_tables.py`, from the schema that each version of Triton's client carries.

A client is released with the server whose number it bears.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from registry.serving.spans import covers, order

_FILE = Path(__file__).with_name("config_fields.json")


def servers() -> tuple[str, ...]:
    """The versions that were measured, ascending."""
    return tuple(_table()["servers"])


def is_known(message: str, field: str, server: str) -> bool:
    """Whether the message has the field there, or the enum the value.

    Messages and enums are named by their path without the package, such as `ModelConfig` or
    `ModelInstanceGroup.Kind`. A server between two that were measured has what the older one had;
    one before the first is taken for that. Where the server is empty, since nobody knows which one
    a release has, it is enough that any server knows it.
    """
    span = servers_knowing(message, field)
    first = servers()[0]
    asked = server if order(server) >= order(first) else first
    return covers(span, asked) if server else bool(span)


def servers_knowing(message: str, field: str) -> str:
    """The span of versions (`spans.py`) that know it; empty where none does."""
    spans = _table()["fields"].get(message, {})
    return next((span for span, fields in spans.items() if field in fields), "")


@cache
def _table() -> Any:
    return json.loads(_FILE.read_text(encoding="utf-8"))
