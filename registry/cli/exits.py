"""Exit codes, and which error ends with which."""

from __future__ import annotations

DONE = 0
REFUSED = 1
USAGE = 2
NOT_FOUND = 3
UNREACHABLE = 4
CANNOT_TELL = 5
#: What shells expect of a process that Ctrl-C ended.
INTERRUPTED = 130

_BY_STATUS = {
    "FAILED_PRECONDITION": REFUSED,
    "ABORTED": REFUSED,
    "ALREADY_EXISTS": REFUSED,
    "DATA_LOSS": REFUSED,
    "INVALID_ARGUMENT": USAGE,
    "OUT_OF_RANGE": USAGE,
    "NOT_FOUND": NOT_FOUND,
    "PERMISSION_DENIED": NOT_FOUND,
    "UNAVAILABLE": UNREACHABLE,
    "UNAUTHENTICATED": UNREACHABLE,
    "RESOURCE_EXHAUSTED": UNREACHABLE,
    "INTERNAL": UNREACHABLE,
    "UNIMPLEMENTED": UNREACHABLE,
}


def exit_code(status: str) -> int:
    """The exit code for an error's status; one that says nothing of the outcome cannot tell."""
    return _BY_STATUS.get(status, CANNOT_TELL)
