#!/bin/sh
# npm run check: types, lint and format of everything.
cd "$(dirname "$0")/.." && . scripts/setup.sh || exit 1
say "checking types (tsc)"
node node_modules/typescript/bin/tsc || exit 1
say "checking lint and format (biome)"
exec node node_modules/@biomejs/biome/bin/biome ci --colors=off --diagnostic-level=warn
