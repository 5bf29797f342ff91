#!/bin/sh
# Installs NanoClaw, for the whole system or for one user, from programs that are already built. See usage().
# What is installed is the table of scripts/install/table; everything else is a loop over it.
set -eu
umask 022
LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH
from=$PWD
cd "$(dirname "$0")"
# shellcheck source=scripts/install/table
. ./scripts/install/table
# shellcheck source=scripts/install/change
. ./scripts/install/change
case $(uname -s) in
    Darwin)
        # shellcheck source=scripts/install/launchd
        . ./scripts/install/launchd
        ;;
    *)
        # shellcheck source=scripts/install/units
        . ./scripts/install/units
        ;;
esac
# shellcheck source=scripts/install/user
. ./scripts/install/user

prefix='' destdir='' built=${CARGO_TARGET_DIR:-target}/release action=install dry=no purge=no manager=system directories=''

usage() {
    cat <<'TEXT'
usage: install.sh [--user] [--prefix=DIR] [--destdir=DIR] [--built=DIR] [--dry-run]
       install.sh --uninstall [--purge] [--user] [--prefix=DIR] [--destdir=DIR] [--dry-run]

  --user         for yourself alone, below your home directory, under your own manager (systemctl --user); on macOS, where
                 launchd starts everything, there is no other way
  --prefix=DIR   where it will live; /usr/local unless told, with --user ~/.local. Units are put where systemd looks: for
                 the system below DIR/lib where DIR is /usr or /usr/local, else below /usr/local/lib
  --destdir=DIR  put everything below DIR, to make a package; nothing of the running system is touched
  --built=DIR    where the built programs lie; target/release unless told
  --dry-run      say what would be done, and do nothing
  --uninstall    stop everything and remove what was installed; configuration, data and their users stay
  --purge        with --uninstall: remove configuration, data and users too

What is installed already is replaced as a whole or not at all: where a file cannot be written, or a program of the new
version does not start, the former version is put back.

Exit status: 0 done, 64 wrong use, 78 cannot be done here, and everything is as it was before; 1 stopped half-way: run it
again once what it says is mended.
TEXT
}

say() { printf '%s\n' "install.sh: $*" >&2; }
wrong() { say "$*"; exit 64; }
cannot() { say "$*"; exit 78; }
failed() { say "$*"; exit 1; }

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
            --prefix=* | --destdir=* | --built=*) option "${1%%=*}" "${1#*=}" ;;
            --prefix | --destdir | --built)
                [ $# -ge 2 ] || wrong "$1 must be followed by a directory"
                option "$1" "$2"
                shift
                ;;
            --user) manager=user ;;
            --dry-run) dry=yes ;;
            --uninstall) action=uninstall ;;
            --purge) purge=yes ;;
            --help) usage; exit 0 ;;
            *) wrong "unknown option '$1'; --help lists those that there are" ;;
        esac
        shift
    done
    [ "$purge" = no ] || [ "$action" = uninstall ] || wrong "--purge goes with --uninstall"
}

option() {
    case $1 in
        --prefix) prefix=$(place "$1" "$2") || exit ;;
        --destdir) destdir=$(place "$1" "$2") || exit ;;
        --built)
            case $2 in '') wrong "--built must be a directory" ;; /*) built=$2 ;; *) built=$from/$2 ;; esac
            ;;
    esac
}

# A directory in the form that the table and the lists need.
place() {
    case $2 in /*) ;; *) wrong "$1 must be an absolute path, not '$2'" ;; esac
    case $2/ in *[!A-Za-z0-9/._+-]* | */../* | */./*) wrong "$1 may hold letters, digits, / . _ + - and no part that is . or .., not '$2'" ;; esac
    at=$(printf '%s' "$2" | tr -s /)
    at=${at%/}
    [ -n "$at" ] || wrong "$1 must be a directory below /, not '$2'"
    printf '%s\n' "$at"
}

# What follows from the options: programs, units, configuration, data, sockets. lib is where the system's systemd looks.
settle_places() {
    root=no
    [ "$(id -u)" != 0 ] || root=yes
    [ "$(uname -s)" != Darwin ] || manager=launchd
    case $manager in
        system)
            : "${prefix:=/usr/local}"
            case $prefix in /usr | /usr/local) lib=$prefix/lib ;; *) lib=/usr/local/lib ;; esac
            unit_dir=$lib/systemd/system links=/etc/systemd/system etc=/etc/nanoclaw data=/var/lib/nanoclaw run=/run/nanoclaw
            ;;
        user) places_of_user ;;
        launchd) places_of_launchd ;;
    esac
    installed=$etc/nanoclaw.toml.d/10-installed.toml
    state=$destdir$prefix/share/doc/nanoclaw
    manifest=$state/installed
}

may() {
    if [ "$dry" = yes ] || [ -n "$destdir" ]; then return 0; fi
    case $manager:$root in
        user:yes) cannot "--user is for an ordinary user; root installs for the whole system" ;;
        launchd:yes) cannot "on macOS it is installed by an ordinary user, for that user; --destdir=DIR makes a package" ;;
        system:no) cannot "only root may $1 below $prefix; --user is for you alone, --destdir=DIR makes a package" ;;
    esac
}

# Two at once would take each other's half for their own.
alone() {
    [ "$dry" = no ] && [ -d "$destdir$prefix" ] && [ -r "$destdir$prefix" ] && command -v flock >/dev/null || return 0
    exec 9<"$destdir$prefix"
    flock -n 9 || cannot "another install.sh is at work below $destdir$prefix"
}

check() {
    missing=$(printf '%s\n' "$table" | while read -r _ _ _ source; do
        case $source in completion:*) ;; *) [ -f "$source" ] || echo "$source" ;; esac
    done)
    [ -z "$missing" ] || cannot "not built: $(echo "$missing" | tr '\n' ' '); run make build first"
    if [ -z "$destdir" ] && [ "$dry" = no ] && ! manager_runs; then
        cannot "$(no_manager); --destdir=DIR makes a package, and make run starts everything in the foreground"
    fi
    broken=$(not_running_here)
    [ -z "$broken" ] || cannot "cannot be run on this machine: $(echo "$broken" | tr '\n' ' ')"
    others=$(foreign)
    [ -z "$others" ] || cannot "not ours, and they stay: $(echo "$others" | tr '\n' ' '); move them away first"
}

install_all() {
    may install
    alone
    recover
    table=$(files)
    check
    changes=$(plan)
    if [ "$dry" = yes ]; then tell_changes; return; fi
    trap 'undo || :; cannot "stopped by a signal; everything is as it was before"' HUP INT TERM
    if [ -n "$changes" ]; then
        { open_change && stage && list; } || { undo || :; cannot "could not write below $destdir$prefix; everything is as it was before"; }
        swap || { undo || failed "what was there before could not be put back; run this again"; cannot "not every file could be put in its place; everything is as it was before"; }
    fi
    [ -n "$destdir" ] || begin
    trap '' HUP INT TERM
    [ -z "$changes" ] || finish || failed "the new version is in place; run this again to remove what is left of the former one"
    [ -n "$destdir" ] || tell_next
}

uninstall_all() {
    may remove\ anything
    alone
    recover
    if [ -f "$manifest" ]; then
        [ "$dry" = yes ] || halt
        remove_installed
    else
        # Configuration and data may be those of an installation under another prefix, which may be running.
        [ "$purge" = no ] || [ ! -e "$destdir$installed" ] || cannot "nothing is installed below $destdir$prefix, so nothing is purged; --prefix names where it is"
        say "nothing is installed below $destdir$prefix"
    fi
    if [ "$purge" = yes ]; then
        purge_all
    elif [ "$dry" = no ] && [ -e "$destdir$data" ]; then
        say "configuration in $etc and data in $data stay, with who owns them; --uninstall --purge removes them"
    fi
}

parse "$@"
settle_places
"${action}_all"
