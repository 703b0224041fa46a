#!/bin/sh
# npm run torture -- --seed N: kills core, keeper and services of a real svcd by chance, and counts what that costs.
cd "$(dirname "$0")/.." && . scripts/setup.sh && build_when_stale && exec node test/torture/main.ts "$@"
