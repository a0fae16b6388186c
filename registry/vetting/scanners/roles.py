"""Of which files scanners of pickles are asked."""

from __future__ import annotations

# Not joblib: arrays lie as they are between its opcodes, where the scanners lose the thread.
PICKLED = frozenset(("pickle", "skops", "torch-pickle", "torch-archive"))
#: With such a name a file may turn out to be one of these by its bytes (`scanned_role`).
PERHAPS_PICKLED = PICKLED | {"bin"}
