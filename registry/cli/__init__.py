"""The hallmark command."""
