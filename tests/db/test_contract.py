"""The contract of the metadata port, on SQLite and on PostgreSQL."""

from __future__ import annotations

from registry.testing.contracts.database.namespaces import NamespacesContract


class TestNamespaces(NamespacesContract):
    pass
