# SPDX-License-Identifier: Apache-2.0
#
# What scripts/vm and scripts/uml have in common: read by both, with $top,
# $program (their name) and $build (their folder for what they build) set.
# shellcheck shell=bash

fail() {
    echo "$program: $*" >&2
    exit 1
}

# linux_version: the version of Debian's kernel packages that everything is
# taken from: that of the installed linux-source package.
linux_version() {
    dpkg-query -W -f '${Version}' "$source_package" 2>/dev/null ||
        fail "the package $source_package is not installed: run" \
             "scripts/packages --install kernel"
}
source_package=linux-source-6.1

# What a kernel says when something is wrong with it.
splat='BUG:|BUG at |WARNING:|Oops:|Kernel panic|general protection fault'
splat+='|INFO: (task|rcu_|possible|suspicious|trying|lockdep)|kmemleak: [0-9]'
splat+='|UBSAN:|refcount_t:|unregister_netdevice: waiting|KASAN|DEBUG_LOCKS'
splat+='|detected stall|scheduling while atomic|[Pp]age allocation failure'

# prepare RELEASE KERNEL_MODULES: makes $run/modules, a tree lib/modules/RELEASE
# of the modules in the directory KERNEL_MODULES and, before them, those in
# $modules, and $run/out, with what the guest has to do: ${command[@]}.
prepare() {
    local release=$1 from=$2 tree=$run/modules/lib/modules/$1
    mkdir -p "$run/out" "$tree"
    ln -s "$from/kernel" "$tree/kernel"
    cp "$from"/modules.{order,builtin} "$tree"
    test ! -e "$from/modules.builtin.modinfo" ||
        cp "$from/modules.builtin.modinfo" "$tree"
    if test -n "$modules"; then
        test -d "$modules" || fail "no directory $modules of modules"
        mkdir "$tree/updates"
        find "$modules" -name '*.ko' -exec cp -t "$tree/updates" {} +
        test -n "$(ls "$tree/updates")" ||
            fail "no module (*.ko) in $modules: build them, or name another" \
                 "directory with --modules"
    fi
    depmod -b "$run/modules" "$release"
    printf '%s\0' "${command[@]}" >"$run/out/command"
    test ${#command[@]} -gt 0 || : >"$run/out/command"
    printf '%s\0' "OVS_BUILD=$ovs" "CONTROLLER_BUILD=$controller" \
        "TERM=${TERM:-linux}" "${environment[@]}" >"$run/out/env"
}

# finish STATUS LOG: copies the results to --out and ends with the exit status of
# the guest's command. STATUS is that of the emulator, LOG what the guest has
# written to its console.
finish() {
    local status=$1 log=$2 found
    if test "$status" -eq 124; then
        echo "$program: the time of $limit s is up" >&2
    elif test -s "$run/out/status"; then
        status=$(<"$run/out/status")
    else
        echo "$program: the guest ended without a result" >&2
        status=1
    fi
    if test -n "$out"; then
        mkdir -p "$out"
        rm -f "$run/out"/{command,env,status}
        cp -a "$run/out/." "$out"
        tr -d '\r' <"$log" >"$out/console"
    fi
    test ! -s "$run/out/dmesg" || log=$run/out/dmesg
    if found=$(grep -aE -m 1 -A 40 "$splat" "$log"); then
        echo "$program: the kernel complained:" >&2
        echo "$found" >&2
        status=99
    fi
    exit "$status"
}

# options WORD...: reads the options that both have, into the variables above;
# what follows goes to ${command[@]}.
modules= ovs=$top/build/check/ovs controller=$top/build/check out= limit=600
memory=2G append= icount=false monitor= command=() environment=()
options() {
    while test $# -gt 0; do
        case $1 in
        --icount) icount=true; shift ;;
        --modules | --ovs | --controller | --out | --time | --memory | \
        --append | --env | --monitor)
            test $# -ge 2 || fail "$1 needs a value"
            case $1 in
            --modules) modules=$(realpath "$2") ;;
            --ovs) ovs=$(realpath "$2") ;;
            --controller) controller=$(realpath "$2") ;;
            --out) out=$2 ;;
            --time) limit=$2 ;;
            --memory) memory=$2 ;;
            --append) append=$2 ;;
            --env) environment+=("$2") ;;
            --monitor) monitor=$2 ;;
            esac
            shift 2
            ;;
        --) shift; command=("$@"); return ;;
        -*)
            fail "unknown option $1: known are --modules, --ovs," \
                 "--controller, --out, --time, --memory, --append, --env," \
                 "--icount, --monitor" ;;
        *) command=("$@"); return ;;
        esac
    done
}
