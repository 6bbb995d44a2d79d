#!/bin/sh
# Starts Athanor on its training page, with the curves of trainings on a port of their own (6006 unless told otherwise).
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
exec "$here/webui.sh" serve --start-page training --tensorboard-port 6006 "$@"
