"""Hallmark, a private model registry."""
