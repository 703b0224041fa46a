# svcd as the init of a container, process 1: sourced by bin/svcd.
#
# An init has two duties that a Node.js process cannot do. Whoever loses its parent becomes its child and wants to be reaped:
# a shell that waits does that by itself. And a container ends with its init: so svcd is a child that may be killed (out of
# memory) like anywhere else; the next one takes over the services that go on.

case $0 in */*) as_called=$0 ;; *) as_called=./$0 ;; esac
# A stop is passed on to svcd, which ends everything in order; from then on its end is the container's.
asked=
pass_on() {
  heard=yes
  [ -z "$svcd" ] || kill -s "$1" "$svcd" 2>/dev/null
}
trap 'asked=yes; pass_on TERM' TERM
trap 'asked=yes; pass_on INT' INT
trap 'pass_on HUP' HUP

while :; do
  "$as_called" "$@" &
  svcd=$!
  # A signal ends `wait` early: then it is waited for again, and 127 says that there is nothing left to wait for.
  while :; do
    heard=
    wait "$svcd"
    code=$?
    [ "$code" -eq 127 ] || status=$code
    [ -n "$heard" ] || break
  done
  svcd=
  # Above 128 a signal ended it.
  if [ -n "$asked" ] || [ "$status" -le 128 ]; then exit "$status"; fi
  printf 'svcd: killed by signal %s; services go on, and the next svcd takes them over\n' "$((status - 128))" >&2
  # Something that kills it again and again shall not have all of a processor for that.
  sleep 1
  [ -z "$asked" ] || exit "$status"
done
