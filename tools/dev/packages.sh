# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# packages - asks dpkg which packages are missing, and has tools/apt_install.sh install those

# The packages of the sections "$@" of tools/packages.txt.
list_packages() {
    for list_section in "$@"; do
        grep -q "^\[$list_section\]" tools/packages.txt ||
            die "tools/packages.txt has no section [$list_section]"
        awk -v wanted="[$list_section]" '
            /^\[/ { inside = ($1 == wanted) }
            inside && /^[a-z0-9]/ { print $1 }' tools/packages.txt
    done
}

# Those of the packages "$@" that are not installed. One question to dpkg: no network, no root.
missing_packages() {
    { # shellcheck disable=SC2016 # dpkg-query's own ${...}
        dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || :
        printf 'wanted %s\n' "$@"
    } | awk '$1 == "installed" { installed[$2] = 1 }
             $1 == "wanted" && !installed[$2] { print $2 }'
}

# Installs what is missing of the sections "$@".
need_packages() {
    [ "${ACKD_PACKAGES:-install}" != skip ] || return 0
    if ! command -v dpkg-query >/dev/null; then
        die "no dpkg-query: this is no Debian. Install by hand what stands for the packages of" \
            "tools/packages.txt, then run this again with ACKD_PACKAGES=skip in the environment"
    fi
    # shellcheck disable=SC2046 # names without spaces
    need_missing=$(missing_packages $(list_packages "$@"))
    [ -n "$need_missing" ] || return 0

    # shellcheck disable=SC2086
    set -- $need_missing
    say "installing $# Debian packages: $*"
    if [ "$(id -u)" -eq 0 ]; then
        need_as_root=
    elif command -v sudo >/dev/null; then
        need_as_root=sudo
        sudo -v || die "sudo refused; run as root: apt-get install --no-install-recommends $*"
    else
        die "missing Debian packages, and this is neither root nor is there sudo." \
            "Run as root: apt-get install --no-install-recommends $*"
    fi
    # shellcheck disable=SC2086 # empty, or one word
    run_quietly "packages" $need_as_root sh tools/apt_install.sh "$@" ||
        die "apt-get could not install: $*"
}
