#!/usr/bin/env bash
# Installs the tool.
set -euo pipefail
source ./lib.sh

# Prints an error.
# And leaves.
die() {
  # to stderr
  printf 'fake() { }' "$@" >&2
  exit 1
}

function has_command {
  command -v "$1" >/dev/null
}

nvm_echo() { command printf %s\\n "$*"; }

{ # the whole script is loaded

inner() {
  nvm_echo "x"
}

}

main() (
  has_command git || die "no git"
)

main "$@"
