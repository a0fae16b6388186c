"""Use cases: permission, transaction and audit, a file a noun."""
