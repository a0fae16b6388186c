"""The inspector of tests has to do what that of servers does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.db.engine import open_database
from registry.services.inspections import InspectionService
from registry.testing.blobs import MemoryBlobStore
from registry.testing.clock import FixedClock
from registry.testing.contracts.inspector import Bench, InspectorContract
from registry.testing.databases import empty_sqlite
from registry.testing.inspecting import InlineInspector


class TestInlineInspector(InspectorContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        (tmp_path / "hallmark.db").write_bytes(empty_sqlite())
        clock, blobs = FixedClock(), MemoryBlobStore()
        database = open_database(f"sqlite:///{tmp_path}/hallmark.db", clock=clock)
        inspected: list[str] = []
        service = InspectionService(database=database, clock=clock, on_inspected=inspected.append)
        inspector = InlineInspector(service=service, blobs=blobs, clock=clock)
        yield Bench(inspector=inspector, database=database, blobs=blobs, inspected=inspected)
        database.close()
