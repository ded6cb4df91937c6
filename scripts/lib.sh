# shellcheck shell=bash
# What every shell script here needs: where the checkout is, one way to speak, one way to fail.
# Sourced, never run.

LUJIAN_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export LUJIAN_ROOT

# Another python3 may come first in PATH; the bindings to ZeroMQ, protobuf and PostgreSQL are those of Debian's.
# shellcheck disable=SC2034
PYTHON=/usr/bin/python3

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "$(basename "$0"): $*"
    exit 1
}

# usage: print the comment that opens the calling script, which is its help.
usage() {
    sed -n '2,/^[^#]/{/^#/!q;s/^# \{0,1\}//;p}' "$0"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "packages are missing and this is neither root nor a user with sudo"
    fi
}
