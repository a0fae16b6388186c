"""Files made for tests of vetting: sound ones, and one for each way in which a file can be bad.

Each module makes those of one format and lists them in `VECTORS`. No bytes here are copied from
elsewhere, and no payload does more than name what it would call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Vector:
    #: What it shows, such as `overlapping-tensors`; with the format it is the test's name.
    name: str
    #: As it would be pushed.
    path: str
    data: bytes
    #: The one rule that it breaks, by which alone it does not pass; empty: it passes.
    rule: str = ""
    #: Whether breaking that rule fails it, or leaves it unknown.
    fails: bool = True
    #: Sizes of the other files of the version, by path.
    files: Mapping[str, int] = field(default_factory=dict)
