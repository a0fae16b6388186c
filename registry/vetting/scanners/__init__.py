"""Scanners of others, each behind `registry/ports/scanners.py`."""
