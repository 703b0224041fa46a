#!/bin/sh
# npm test: types, lint and format, then every test. `npm test -- src/plan test/scenarios/stop.test.ts` runs only the
# tests below those paths and skips the rest; `--name PATTERN` only those whose title matches.
cd "$(dirname "$0")/.." && . scripts/setup.sh || exit 1

narrowed=
if [ "$#" -gt 0 ]; then
  narrowed=yes
  say "only some tests were asked for: types and lint are not checked (npm run check does)"
  # Whoever works on one part can test it while another part does not build.
  (build_when_stale) || say "dist/ is not up to date: tests that start the programs will tell nothing"
else
  build_when_stale
fi

# What stories with real processes use beside svcd itself. They skip, and say so, what is not there.
missing=
needs() { # COMMAND PACKAGE
  command -v "$1" >/dev/null || missing="$missing $2"
}
needs curl curl
needs vim vim-tiny
needs script bsdutils
needs setpriv util-linux
needs strace strace
needs tini tini
needs faketime faketime
needs python3 python3
if [ -n "$missing" ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  say "installing the Debian packages that tests use:$missing (up to a minute)"
  # shellcheck disable=SC2086 # A list of words.
  if log=$(export DEBIAN_FRONTEND=noninteractive &&
    timeout -k 10 120 apt-get -qq update 2>&1 &&
    timeout -k 10 300 apt-get -qq install -y --no-install-recommends $missing 2>&1); then
    missing=
  else
    printf '%s\n' "$log" | tail -n 5 >&2
  fi
fi
if [ -n "$missing" ]; then
  # shellcheck disable=SC2086
  set -- "$@" --missing="$(printf '%s ' $missing)"
fi

[ -n "$narrowed" ] || sh scripts/check.sh || exit 1

exec node scripts/test.mjs "$@"
