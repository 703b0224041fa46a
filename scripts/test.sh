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
needs ssh openssh-client
needs vim vim-tiny
needs script bsdutils
needs setpriv util-linux
needs strace strace
needs tini tini
needs faketime faketime
needs python3 python3
needs openssl openssl
needs ss iproute2
needs pgrep procps
needs tmux tmux
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

# What loads a real model for score-cpu is larger than all the rest (470 MB), so it is no dependency of svcd: tests have it
# in a folder of their own, and skip what needs it when it cannot be had.
modules=node_modules/.score-modules
transformers=$(sed -n 's/^export const TRANSFORMERS = "\(.*\)";$/\1/p' src/score-cpu/onnx.ts)
case "${narrowed:-all} $*" in
  all* | *score-cpu* | *shipped-services*)
    if ! [ -f "$modules/.is-$(basename "$transformers")" ]; then
      say "installing $transformers for the tests of score-cpu (470 MB on disk, 15 s to a minute)"
      rm -rf "$modules" && mkdir -p "$modules" && echo '{ "private": true }' >"$modules/package.json"
      if log=$(timeout --foreground -k 10 240 npm install --prefix "$modules" --ignore-scripts --prefer-offline \
        --no-audit --no-fund --loglevel=error "$transformers" 2>&1); then
        : >"$modules/.is-$(basename "$transformers")"
      else
        rm -rf "$modules"
        printf '%s\n' "$log" | tail -n 5 >&2
        say "$transformers cannot be had: tests that need it will be skipped"
      fi
    fi
    ;;
esac

[ -n "$narrowed" ] || sh scripts/check.sh || exit 1

exec node scripts/test.mjs "$@"
