#!/bin/sh
# npm run build: everything in dist/, from scratch.
cd "$(dirname "$0")/.." && . scripts/setup.sh && exec node scripts/build.mjs "$@"
