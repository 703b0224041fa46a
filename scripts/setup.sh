# Makes a fresh clone ready: installs exactly what package-lock.json says and puts the pinned Node first on PATH.
# Sourced by the scripts beside it with the package as working directory; when nothing is missing it takes a few
# milliseconds. `build_when_stale` is theirs to call. By itself, `sh scripts/setup.sh` does both.

PATH=$PWD/node_modules/.bin:$PATH
export PATH

say() { printf 'svcd set-up: %s\n' "$*" >&2; }

stop_because() {
  printf 'svcd set-up: %s\n  fix:   %s\n' "$1" "$2" >&2
  exit 1
}

# What is installed is known from a copy of the lock file inside node_modules, which goes away together with it.
is_installed() { cmp -s package-lock.json node_modules/.svcd-lock; }

install_dependencies() {
  command -v npm >/dev/null || stop_because "npm is not on PATH" "install Node.js with npm, any version from 20 on"
  say "installing what package-lock.json lists, a Node.js of its own included (about 60 MB to fetch, 10 s to a minute)"
  log=$(mktemp)
  for try in 1 2 3; do
    # npm has been seen to hang on a single package, hence the outer limit. Optional packages bring the pinned Node and
    # the native tools, so no npmrc may leave them out; nothing that is installed needs to run a script of its own.
    if timeout --foreground -k 10 240 npm ci --ignore-scripts --include=dev --include=optional --engine-strict=false \
      --prefer-offline --no-audit --no-fund --loglevel=error \
      --fetch-timeout=60000 --fetch-retries=2 --fetch-retry-mintimeout=2000 --fetch-retry-maxtimeout=10000 \
      >"$log" 2>&1; then
      rm -f "$log"
      require_new_enough_node
      cp package-lock.json node_modules/.svcd-lock
      say "installed, with Node.js $(node --version)"
      return
    else
      code=$?
    fi
    head -n 20 "$log" | sed 's/^/  /' >&2
    [ "$code" -lt 128 ] || [ "$code" -eq 137 ] || break # Somebody ended it: Ctrl-C.
    if grep -q -E 'EUSAGE|EACCES|EPERM|EROFS|ENOSPC|EINTEGRITY|ETARGET|E404' "$log"; then break; fi # Stays wrong.
    if [ "$try" -lt 3 ]; then say "npm ci failed (exit $code), try $((try + 1)) of 3"; fi
  done
  if [ "$code" -eq 124 ] || grep -q -E 'ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONN|ENETUNREACH|network' "$log"; then
    rm -f "$log"
    stop_because "npm ci could not reach the package registry $(npm config get registry)" \
      "check the network (proxy: npm config get proxy), then run the same command again"
  fi
  rm -f "$log"
  stop_because "npm ci failed (exit $code), see above" "put right what it names, then run the same command again"
}

# On machines that npm has no pinned Node for, the system's own must do.
require_new_enough_node() {
  new_enough='const [major, minor] = process.versions.node.split("."); process.exit(major > 22 || (major == 22 && minor >= 22) ? 0 : 1)'
  node -e "$new_enough" || stop_because \
    "npm has no Node.js for this machine ($(uname -sm)), and $(command -v node) is $(node --version)" \
    "install Node.js 22.22 or newer"
}

# Two set-ups in one clone take turns: npm ci deletes node_modules before it fills it.
if ! is_installed; then
  (
    flock 9 2>/dev/null || say "flock is missing: do not start another set-up meanwhile"
    is_installed || install_dependencies
  ) 9<package-lock.json || exit 1
fi


# Folders count too: their time changes when a file in them is deleted.
build_is_stale() {
  [ -f dist/.built ] || return 0
  [ -n "$(find src scripts/build.mjs package.json node_modules/.svcd-lock -newer dist/.built -print -quit)" ]
}

build_when_stale() {
  if build_is_stale; then
    say "building dist/"
    sh scripts/build.sh || exit 1
  fi
}

case $0 in
  *setup.sh) build_when_stale ;;
esac
