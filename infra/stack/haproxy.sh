#!/bin/sh
# Ray starts this in HAProxy's place: it changes what Ray's template lets nobody choose, leaves a pid to be stopped by, and
# becomes HAProxy.
set -eu
for argument in "$@"; do
    case "$argument" in
    *.cfg) "$FITWAVE_PYTHON" -m infra.stack.haproxy_config "$argument" ;;
    esac
done
echo $$ >> "$FITWAVE_HAPROXY_PIDS"
exec "$FITWAVE_HAPROXY_BINARY" "$@"
