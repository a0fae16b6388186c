"""modelaudit-picklescan, in the jail: it allows by list, and is suspicious of torch all the same.

What does not work there: its torch reader, which takes a path, so the pickles of a zip are given to
it one by one; and its call graphs, which look sources up in the scanner's own environment, so that
verdicts would depend on what is installed beside it; and its search for pickles within data, which
calls nearly every array of random numbers malicious; and its memo, which takes time by the square
of slots that are numbered in their turn, and comes to no answer on some ten thousands of them.
Hence `thinned`. Folders in `sys.path` have to be absolute: for others it asks for the working
folder, is denied, and can tell nothing.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from typing import Any, BinaryIO

from registry.formats.pickle_rules import OPCODES_MAX
from registry.ports.scanners import Outcome, ScanAnswer
from registry.vetting.scanners.digests import MODELAUDIT, digest_of_package
from registry.vetting.scanners.files import PICKLE_BYTES_MAX, pickles
from registry.vetting.scanners.roles import PICKLED
from registry.vetting.scanners.thinning import thinned

# When imported it reads what is said of all that is installed, for its call graphs alone. They are
# off here, and a jail would start a tenth of a second later, or more where more is installed.
_packages_distributions = importlib.metadata.packages_distributions
importlib.metadata.packages_distributions = dict
try:
    from modelaudit_picklescan import (
        PickleReport,
        SafetyVerdict,
        ScanOptions,
        ScanStatus,
        scan_bytes,
    )
finally:
    importlib.metadata.packages_distributions = _packages_distributions

_ROLES = PICKLED - {"skops"}
#: How it describes the persistent id of a storage: a type by its name, and for the rest texts and
#: numbers, as our own parser has proved before (PICKLE-12). It knows torch's zips by their five
#: parts; torch's older files have a sixth, none or a view.
_STORAGE = re.compile(
    r"tuple\(str_span\(len=7\), global:([A-Za-z0-9_.]+), str_span\(len=\d+\), "
    r"str_span\(len=\d+\), int:\d+"
    r"(?:, NoneType:None|, tuple\(str_span\(len=\d+\), int:\d+, int:\d+\))?\)"
)
#: As much as our own parser and the reading of pickles allow: with its own limits it comes to no
#: answer on an array of more than 8 MiB.
_OPTIONS = ScanOptions(
    max_opcodes=OPCODES_MAX,
    max_known_stream_read_bytes=PICKLE_BYTES_MAX,
    max_string_literal_scan_chars=PICKLE_BYTES_MAX,
)
#: The smallest pickle: protocol 2, None.
_NOTHING = b"\x80\x02N."


class ModelAudit:
    name = MODELAUDIT

    def __init__(self) -> None:
        self.digest = digest_of_package(MODELAUDIT)
        # It imports its engine when it is first asked.
        if scan_bytes(_NOTHING, enrich_call_graph=False).verdict is not SafetyVerdict.CLEAN:
            raise RuntimeError("modelaudit-picklescan does not work")

    def covers(self, role: str) -> bool:
        return role in _ROLES

    def scan(self, file: BinaryIO, role: str) -> ScanAnswer:
        names: set[str] = set()
        messages: list[str] = []
        outcome, is_names_only = Outcome.CLEAN, True
        for _, data in pickles(file):
            report = _scan(data)
            if report.verdict is SafetyVerdict.MALICIOUS:
                found = ", ".join(each.message for each in report.findings)
                return ScanAnswer(outcome=Outcome.MALICIOUS, message=found)
            for finding in report.findings:
                name = _name(finding.details)
                is_names_only &= bool(name)
                names.add(name)
                messages.append(finding.message)
            if report.status is not ScanStatus.COMPLETE or report.errors:
                is_names_only = False
                messages += [each.message for each in report.errors]
                messages += [each.message for each in report.notices]
                outcome = Outcome.INCONCLUSIVE
            elif report.verdict is not SafetyVerdict.CLEAN and outcome is Outcome.CLEAN:
                is_names_only &= bool(report.findings)
                outcome = Outcome.SUSPICIOUS
        return ScanAnswer(
            outcome=outcome,
            names=frozenset(names - {""}),
            is_names_only=is_names_only,
            message=", ".join(messages),
        )


def _scan(pickled: bytes) -> PickleReport:
    return scan_bytes(thinned(pickled), options=_OPTIONS, enrich_call_graph=False)


def _name(details: Mapping[str, Any]) -> str:
    """What a finding is about, if that is a name: a global, or the type of a torch storage."""
    if "persistent_id_preview" in details:
        found = _STORAGE.fullmatch(str(details["persistent_id_preview"]))
        return found[1] if found else ""
    module, name = details.get("module"), details.get("name")
    return f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else ""
