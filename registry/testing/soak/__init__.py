"""Drivers that make trouble for a whole registry, and what they check it by afterwards."""
