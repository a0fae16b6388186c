"""Metadata in SQL: tables, unit of work, one repository a noun, migrations."""
