"""Bytes over HTTP: files go out by range, and come in by offset."""
