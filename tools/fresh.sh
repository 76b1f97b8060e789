#!/bin/sh
# SPDX-License-Identifier: MIT
#
# fresh - does ./dev work on a machine that has nothing? Tries it in a bare Debian 12
#
#      tools/fresh.sh [-kr] [-d DIR] [COMMAND [OPTION...]]        (as root; COMMAND: test)
#
#      -d DIR   where the root file system is made (a new folder under /var/tmp)
#      -k       keep it; a DIR that holds one already is used again, as it was left
#      -r       only make it, and keep it
#
# debootstrap --variant=minbase makes the root from this machine's own Debian mirror. What is
# committed is cloned into it, and ./dev COMMAND runs there by chroot. The loopback network is this
# machine's. Mounts are undone, whatever happens.
set -eu

suite=bookworm
keep=
root_only=
target=

usage() {
    sed -n 's/^#      //p' "$0" >&2
    exit 64
}

while getopts d:kr option; do
    case $option in
    d) target=$OPTARG ;;
    k) keep=1 ;;
    r)
        keep=1
        root_only=1
        ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- test

die() {
    echo "fresh: $*" >&2
    exit 1
}

cd "$(dirname -- "$0")/.."
[ "$(id -u)" -eq 0 ] || die 'debootstrap and chroot want root'
for tool in debootstrap git chroot mount; do
    command -v "$tool" >/dev/null || die "there is no $tool; try: apt-get install $tool"
done

# Where apt on this machine gets Debian from: lines "URI SUITE".
list_mirrors() {
    # shellcheck disable=SC2016 # apt-get's own $(...)
    apt-get indextargets --format '$(LABEL) $(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
        awk -v suite="$suite" '($1 == "Debian" || $1 == "Debian-Security") && $3 ~ "^" suite \
            { print $2, $3 }' | sort -u
}

finish() {
    echo "fresh: exit $? after $(($(date +%s) - begin)) s"
    for point in dev/shm proc; do
        if mountpoint -q "$target/$point"; then
            umount "$target/$point"
        fi
    done
    if [ -z "$keep" ]; then
        # Should a mount be left after all, rm stops at its edge.
        rm -rf --one-file-system "$target"
    else
        echo "fresh: kept $target"
    fi
}

make_root() {
    [ -n "$(list_mirrors)" ] || die "apt knows no mirror of $suite: run apt-get update first"
    mirror=$(list_mirrors | awk -v suite="$suite" '$2 == suite { print $1; exit }')
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$target" "$mirror" \
        >"$target.log" 2>&1 || { tail -n 20 "$target.log" && die 'debootstrap failed'; }
    rm "$target.log"
    list_mirrors | sed 's/^/deb /; s/$/ main/' >"$target/etc/apt/sources.list"
    # How this machine's apt reaches the mirror: proxies, checks, languages.
    apt-config dump | grep -E '^Acquire::' >"$target/etc/apt/apt.conf.d/99fresh" || :
    cp /etc/resolv.conf /etc/hosts "$target/etc/"
}

begin=$(date +%s)
[ -n "$target" ] || target=$(mktemp -d /var/tmp/ackd-fresh.XXXXXX)
mkdir -p "$target"
target=$(CDPATH='' cd -- "$target" && pwd)
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

[ -x "$target/usr/bin/apt-get" ] || make_root
echo "fresh: $suite minbase in $target, $(chroot "$target" dpkg-query -W | wc -l) packages," \
    "$(($(date +%s) - begin)) s"
[ -z "$root_only" ] || exit 0
mount -t proc proc "$target/proc"
mkdir -p "$target/dev/shm"
mount -t tmpfs tmpfs "$target/dev/shm"

rm -rf "$target/root/project"
git clone --quiet --no-hardlinks . "$target/root/project"
echo "fresh: $(git -C "$target/root/project" log -1 --format='%h %s')"
echo "fresh: ./dev $*"
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8 \
    chroot "$target" sh -c 'cd /root/project && exec ./dev "$@"' sh "$@" </dev/null
