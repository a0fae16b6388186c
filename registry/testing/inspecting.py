"""An Inspector without other processes: it looks at files when it is asked, in this one.

What passes here passes in the jail, which runs the same parsers. Only bytes that tests have made
may come in.
"""

from __future__ import annotations

from collections.abc import Collection

from registry.domain.inspections import Lot, Subject
from registry.errors import CorruptBytesError, NotFoundError
from registry.formats.inspect import inspect
from registry.formats.source import BytesSource
from registry.ports.blobs import BlobStore
from registry.ports.clock import Clock
from registry.services.inspections import InspectionService
from registry.vetting.inspecting import result_of, result_of_none
from registry.vetting.jailed import Neighbours, as_json
from registry.vetting.judging import heard


class InlineInspector:
    """Implements `registry/ports/vetting.py`."""

    def __init__(self, *, service: InspectionService, blobs: BlobStore, clock: Clock) -> None:
        self._service = service
        self._blobs = blobs
        self._clock = clock
        #: Tests change it, as a new release would.
        self.rules_digest = "sha256:rules-of-this-process"
        #: Paths of what was looked at, by the lots in which they came.
        self.lots: list[list[str]] = []

    @property
    def looked(self) -> list[str]:
        return [path for lot in self.lots for path in lot]

    def want(self, digests: Collection[str]) -> None:
        for digest in digests:
            lot = self._service.begin(digest, self.rules_digest)
            while lot is not None:
                self.lots.append([path for path, _ in lot.files])
                for path, subject in lot.files:
                    self._look(lot, path, subject)
                lot = self._service.next_lot(digest, self.rules_digest)

    def _look(self, lot: Lot, path: str, subject: Subject) -> None:
        now_us = self._clock.now_us()
        try:
            data = b"".join(self._blobs.open_range(subject.sha256))
        except (NotFoundError, CorruptBytesError):
            result = result_of_none(subject, rules=self.rules_digest, now_us=now_us)
        else:
            files = Neighbours(lot.sizes)
            found = as_json(inspect(BytesSource(data), subject.role, files))
            said = {**found, "depends_on_files": files.was_asked}
            judged = heard(path, len(data), said)
            result = result_of(lot, subject, judged, rules=self.rules_digest, now_us=now_us)
        self._service.keep(lot.digest, path, result)
