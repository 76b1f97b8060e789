# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# build - one build directory per preset: build/release, build/test, build/asan ...
#
# A directory is set up once and then only compiled. It is set up anew when what it was set up with
# changes: options, native file, compiler, or the place of the source.

# Meson's options for preset $1.
preset_options() {
    case $1 in
    test | clang) echo '-Dwerror=true' ;;
    asan | tsan | analyzer) echo "--native-file meson/$1.ini -Dwerror=true" ;;
    uncounted) echo '--native-file meson/release.ini -Dc_args=-DUNCOUNTED' ;;
    release | fuzz | coverage) echo "--native-file meson/$1.ini" ;;
    *) die_usage "there is no preset '$1'; there are: release test clang asan tsan fuzz coverage" ;;
    esac
}

preset_compiler() {
    case $1 in
    clang | fuzz) echo clang ;;
    analyzer) echo gcc ;;
    *) echo "${CC:-gcc}" ;;
    esac
}

# What build/$1 depends on and Ninja does not see.
preset_stamp() {
    echo "$PWD"
    preset_options "$1"
    # shellcheck disable=SC2046 # CC may be "ccache gcc"
    $(preset_compiler "$1") --version | head -n 1
    if [ -e "meson/$1.ini" ]; then cat "meson/$1.ini"; fi
}

set_up() {
    rm -rf "build/$1"
    # shellcheck disable=SC2046 # several words
    CC=$(preset_compiler "$1") meson setup "build/$1" $(preset_options "$1") || return
    preset_stamp "$1" >"build/$1/dev-stamp"
}

# Makes sure that build/$1 is set up for preset $1.
set_up_preset() {
    preset_options "$1" >/dev/null
    case $1 in
    clang | fuzz) need_packages core clang ;;
    *) need_packages core ;;
    esac
    if [ "$(preset_stamp "$1")" != "$(cat "build/$1/dev-stamp" 2>/dev/null)" ]; then
        run_quietly "setting up build/$1" set_up "$1"
    fi
}

# Builds preset $1 into build/$1; prints one line, or the compiler's words if it fails.
build_preset() {
    set_up_preset "$1" || return
    # A build with nothing to do takes no line.
    if ninja -C "build/$1" -n | grep -q 'no work to do'; then
        return 0
    fi
    run_quietly "building build/$1" ninja -C "build/$1"
}
