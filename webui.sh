#!/bin/sh
# Installs what is missing, builds when stale, and runs Athanor. Paths on the command line stay relative to where you stand.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
if ! command -v node >/dev/null 2>&1; then
  echo "Athanor needs Node 20.15 or newer: https://nodejs.org" >&2
  exit 1
fi
exec node "$here/scripts/launch.mjs" "$@"
