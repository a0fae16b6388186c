"""Strict parsers of model files and cards."""
