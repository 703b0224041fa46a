#!/bin/sh
# npm start: the daemon on this clone's own services.d/ and cron.d/; its run, state and log files go to .svcd/.
cd "$(dirname "$0")/.." && . scripts/setup.sh || exit 1
build_when_stale
mkdir -p -m 700 .svcd || stop_because "$PWD/.svcd cannot be made" "make $PWD writable for user $(id -un)"
exec bin/svcd --root "$PWD" "$@"
