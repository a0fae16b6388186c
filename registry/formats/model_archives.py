"""Archives that are models: NeMo's `.nemo` and TorchServe's `.mar`. Their members are looked at as
files of their own; here is what makes the archive what its name says.

Sources: NVIDIA NeMo, `nemo/core/connectors/save_restore_connector.py` (a tar, plain or gzipped, of
`model_config.yaml` and weights); TorchServe, `model-archiver/README.md` (a zip with
`MAR-INF/MANIFEST.json`).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from registry.formats import compressed, nemo_targets, tar, zip_container
from registry.formats.kinds import content_of
from registry.formats.look import Look, Rule, SpentError, quoted
from registry.formats.source import Source

CONFIG_BYTES_MAX = 4 * 1024 * 1024
_BAD_LINES_MAX = 20

NEMO = Rule(
    "NEMO-1",
    "A .nemo file is a tar, plain or gzipped, with one model_config.yaml.",
    "Save the model again with NeMo's save_to, and push a new version.",
)
MAR = Rule(
    "MAR-1",
    "A .mar file has one MAR-INF/MANIFEST.json.",
    "Pack the model again with torch-model-archiver, and push a new version.",
)
TARGETS = Rule(
    "NEMO-2",
    "Targets in model_config.yaml are classes of NeMo, torch.nn and torch.optim, in plain lines.",
    "Use NeMo's own classes in the configuration, and save the model again.",
)
RULES = (NEMO, MAR, TARGETS)


def read_nemo(look: Look) -> None:
    """Memory: a member of a gzipped one is held if it has at most `tar.HELD_BYTES_MAX`."""
    if content_of(look.source) != "tar":
        unpacked = compressed.unpack(look)
        if content_of(unpacked) != "tar":
            look.stop(NEMO, f"found {content_of(unpacked)} bytes within, expected a tar")
        look = replace(look, source=unpacked)
    configs = 0
    for member in tar.members(look):
        if member.name.rpartition("/")[2] == "model_config.yaml":
            configs += 1
            if not _check_targets(look, member.source):
                continue
        look.inside(member.name, member.source)
    if configs != 1:
        look.refuse(NEMO, f"found {configs} files named model_config.yaml, expected one")


def _check_targets(look: Look, source: Source) -> bool:
    """Whether they are allowed. If not, the file has failed, and is not looked at as YAML."""
    if source.size_bytes > CONFIG_BYTES_MAX:
        raise SpentError("its configuration is longer than what is looked at")
    data = source.read(0, source.size_bytes)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        look.stop(TARGETS, "found a configuration that is not UTF-8")
    bad = list(islice(nemo_targets.bad_lines(text), _BAD_LINES_MAX))
    for number, line in bad:
        look.refuse(TARGETS, f"found {quoted(line.strip())} in line {number}")
    return not bad


def read_mar(look: Look) -> None:
    members = zip_container.members(look)
    if "MAR-INF/MANIFEST.json" not in {member.name for member in members}:
        look.refuse(MAR, "found no MAR-INF/MANIFEST.json")
    for member in members:
        look.inside(member.name, member.source)
