"""Readiness for and delivery to inference servers."""
