"""Archives that are refused, whatever is in them: 7z and RAR.

Scanners mostly don't open them, loaders don't need them, and payloads were found in them for that
reason ("nullifAI": PyTorch files packed as 7z, whose pickles were broken behind the payload;
ReversingLabs, February 2025).
"""

from __future__ import annotations

from registry.formats.kinds import content_of
from registry.formats.look import Look, Rule

ARCHIVE = Rule(
    "ARCHIVE-1",
    "Archives are zip, tar or a compressed tar, not 7z or RAR, which hid payloads from scanners.",
    "Unpack the archive, and push its files.",
)
RULES = (ARCHIVE,)


def read(look: Look) -> None:
    look.stop(ARCHIVE, f"found an archive of kind {content_of(look.source)}", offset=0)
