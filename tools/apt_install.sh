#!/bin/sh
# SPDX-License-Identifier: MIT
#
# apt_install - installs Debian packages, and starts none of the services that they bring
#
#      sh tools/apt_install.sh PACKAGE...        (as root; ./dev calls it, with sudo if need be)
#
# While apt-get runs, a policy-rc.d of ours forbids every start of a service. One that is there
# already is left alone: then it decides. Services of the packages that we asked for are disabled
# afterwards, so that the next boot does not start them either.
set -eu

policy=/usr/sbin/policy-rc.d
policy_mark='ackd tools/apt_install.sh'

# One at a time: whoever holds the lock may take a guard of ours for one that a kill -9 left.
exec 9>/run/lock/ackd-apt-install.lock
flock 9

remove_guard() {
    if grep -qs "$policy_mark" "$policy"; then
        rm -f "$policy"
    fi
}

install_guard() {
    remove_guard
    # noclobber: creates the file or fails, nothing between.
    if (set -C && printf '#!/bin/sh\n# %s\nexit 101\n' "$policy_mark" >"$policy") 2>/dev/null; then
        chmod 755 "$policy"
    else
        echo "$policy is there already and decides which services start"
    fi
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

install_packages() {
    apt install --no-install-recommends "$@"
}

have_lists() {
    for list in /var/lib/apt/lists/*_Packages*; do
        [ ! -e "$list" ] || return 0
    done
    return 1
}

# The units and init scripts of package $1 would run at boot: not for packages that a build brought.
disable_services() {
    for file in $(dpkg-query -L "$1"); do
        case $file in
        /lib/systemd/system/*.service | /usr/lib/systemd/system/*.service | \
            /lib/systemd/system/*.timer | /usr/lib/systemd/system/*.timer)
            if command -v systemctl >/dev/null; then
                systemctl --no-reload --quiet disable "$(basename "$file")" || :
            fi
            ;;
        /etc/init.d/*)
            if command -v update-rc.d >/dev/null; then
                update-rc.d "$(basename "$file")" disable || :
            fi
            ;;
        esac
    done
}

trap remove_guard EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
install_guard

# Old lists name files that the mirror no longer has: then one update, and once more.
have_lists || apt update
install_packages "$@" || { apt update && install_packages "$@"; }
for package in "$@"; do
    disable_services "$package"
done
