#!/usr/bin/env bash
# Fail where proto/ would break a client of the last release; before the first release, of the
# accepted baseline.
# Usage: breaking.sh [--accept]   (--accept: make proto/ as it is the baseline)
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH
baseline=proto/baseline.binpb

if [ "${1:-}" = --accept ]; then
    exec buf build proto --exclude-source-info --output "$baseline"
fi
if release=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null); then
    exec buf breaking proto --against ".git#tag=$release,subdir=proto"
fi
exec buf breaking proto --against "$baseline"
