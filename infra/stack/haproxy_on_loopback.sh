#!/bin/sh
# Ray starts this in HAProxy's place. Ray's template binds statistics and metrics to every interface and lets nobody
# choose: here they are bound to loopback. Then this process becomes HAProxy, and its pid is left to be stopped by.
set -eu
for argument in "$@"; do
    case "$argument" in
    *.cfg) sed -i -E 's/^([[:space:]]*bind )\*?:([0-9]+)/\1127.0.0.1:\2/' "$argument" ;;
    esac
done
echo $$ >> "$FITWAVE_HAPROXY_PIDS"
exec "$FITWAVE_HAPROXY_BINARY" "$@"
