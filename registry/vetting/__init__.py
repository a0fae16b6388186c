"""Checks of what a version holds."""
