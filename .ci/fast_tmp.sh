#!/usr/bin/env bash
# Print the folder for what the fast tests write: memory where there is room, since thousands of small
# databases are synced; else where temporary files lie anyway.
set -euo pipefail
memory=/dev/shm
needed_kb=2000000
free_kb() { df --output=avail "$memory" 2>/dev/null | tail -1; }

if [ -z "${TMPDIR:-}" ] && [ -w "$memory" ] && [ "$(free_kb)" -gt "$needed_kb" ]; then
    echo "$memory"
else
    echo "${TMPDIR:-/tmp}"
fi
