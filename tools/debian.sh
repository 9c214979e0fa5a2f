#!/bin/sh
# Install those of the Debian packages named here that are missing. Nothing is asked of apt, and nobody need be
# root, where all are there.
set -eu
PATH=$PATH:/usr/sbin  # where servers are

is_there() {
    case $1 in
        python3-venv) "${PYTHON:-python3}" -c 'import ensurepip, venv' ;;
        man-db) command -v man ;;
        borgbackup) command -v borg ;;
        *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

missing=
for package in "$@"; do
    is_there "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

how="apt-get update && apt-get install$missing"
if ! command -v apt-get >/dev/null; then
    echo "Missing:$missing. There is no apt here; on Debian, as root, it would be: $how" >&2
    exit 1
fi
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo

echo "Installing the Debian packages:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
    $as_root env DEBIAN_FRONTEND=noninteractive "$@" </dev/null >"$log" 2>&1 || {
        cat "$log" >&2
        echo "Could not install:$missing. As root: $how" >&2
        exit 1
    }
}
quietly apt-get update
# shellcheck disable=SC2086  # several words on purpose
quietly apt-get install --yes --no-install-recommends $missing

# The packages of servers start one each, on ports 5000, 80 and 8888, which the tests do not use.
for server in docker-registry nginx tinyproxy; do
    case "$missing " in *" $server "*)
        if [ -d /run/systemd/system ]; then
            quietly systemctl disable --now "$server"
        fi
    esac
done

for package in $missing; do
    is_there "$package" || { echo "$package is installed, yet does not work" >&2; exit 1; }
done
