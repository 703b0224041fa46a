#!/bin/sh
# npm run sim -- --seed N: the core in a simulated world; the same seed gives the same run.
cd "$(dirname "$0")/.." && . scripts/setup.sh && exec node src/sim/main.ts "$@"
