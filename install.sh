#!/bin/sh
# Installs NanoClaw, for the whole system or for one user, from programs that are already built. See usage().
# What is installed is the table that files() prints; everything else is a loop over it.
set -eu
umask 022
cd "$(dirname "$0")"

prefix='' destdir='' built=${CARGO_TARGET_DIR:-target}/release action=install dry=no purge=no manager=system

usage() {
    cat <<'TEXT'
usage: install.sh [--user] [--prefix=DIR] [--destdir=DIR] [--built=DIR] [--dry-run]
       install.sh --uninstall [--purge] [--user] [--prefix=DIR] [--destdir=DIR] [--dry-run]

  --user         for yourself alone, below your home directory, under your own manager (systemctl --user)
  --prefix=DIR   where it will live; /usr/local unless told, with --user ~/.local
  --destdir=DIR  put everything below DIR, to make a package; nothing of the running system is touched
  --built=DIR    where the built programs lie; target/release unless told
  --dry-run      say what would be done, and do nothing
  --uninstall    remove what was installed; configuration and data stay
  --purge        with --uninstall: remove configuration and data too

Exit status: 0 done, 64 wrong use, 78 cannot be installed here (nothing was changed), 1 failed half-way: run it again once
what it says is mended.
TEXT
}

say() { printf '%s\n' "install.sh: $*" >&2; }
wrong() { say "$*"; exit 64; }
cannot() { say "$*"; exit 78; }

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
            --prefix=*) prefix=${1#*=} ;;
            --destdir=*) destdir=${1#*=} ;;
            --built=*) built=${1#*=} ;;
            --user) manager=user ;;
            --dry-run) dry=yes ;;
            --uninstall) action=uninstall ;;
            --purge) purge=yes ;;
            --help) usage; exit 0 ;;
            *) wrong "unknown option $1; --help lists those that there are" ;;
        esac
        shift
    done
    places
    case $prefix in /?*) ;; *) wrong "--prefix must be an absolute path, not '$prefix'" ;; esac
    case $destdir in '' | /?*) ;; *) wrong "--destdir must be an absolute path, not '$destdir'" ;; esac
    case $prefix$destdir in *[!A-Za-z0-9/._+-]* | */../* | */..) wrong "--prefix and --destdir may hold letters, digits, / . _ + - and no .. part" ;; esac
    [ "$purge" = no ] || [ "$action" = uninstall ] || wrong "--purge goes with --uninstall"
}

# Where it will live: programs, units, configuration, data, sockets.
places() {
    case $manager in
        system) : "${prefix:=/usr/local}" ; units=$prefix/lib/systemd/system etc=/etc/nanoclaw state=/var/lib/nanoclaw run=/run/nanoclaw ;;
        user) places_of_user ;;
    esac
    installed=$etc/nanoclaw.toml.d/10-installed.toml
}

places_of_user() {
    [ -n "${HOME:-}" ] || cannot "HOME is not set, and --user installs below it"
    : "${prefix:=$HOME/.local}"
    units=${XDG_DATA_HOME:-$HOME/.local/share}/systemd/user etc=${XDG_CONFIG_HOME:-$HOME/.config}/nanoclaw
    state=${XDG_STATE_HOME:-$HOME/.local/state}/nanoclaw run=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/nanoclaw
    for place in "$HOME" "$units" "$etc" "$state" "$run"; do
        case $place in
            *[!A-Za-z0-9/._+-]* | */../*) cannot "HOME and the XDG variables may hold letters, digits, / . _ + -, and no .. part: $place" ;;
            /?*) ;;
            *) cannot "HOME and the XDG variables must be absolute paths: $place" ;;
        esac
    done
}

# The table: mode, destination, source. Owner is whoever installs (root, or who makes a package).
files() {
    echo "755 $prefix/bin/nanoclawctl $built/nanoclawctl"
    for program in nc-router nc-ipcd nc-runner nc-agent; do
        echo "755 $prefix/libexec/nanoclaw/$program $built/$program"
    done
    for page in man/*.[1578]; do
        echo "644 $prefix/share/man/man${page##*.}/${page##*/} $page"
    done
    for text in nanoclaw.toml.example README.md LICENSE; do
        echo "644 $prefix/share/doc/nanoclaw/$text $text"
    done
    for unit in systemd/*.target systemd/*.slice systemd/*.socket systemd/*.service systemd/*.timer; do
        echo "644 $units/${unit##*/} $unit"
    done
    for drop_in in systemd/*.service.d/*.conf systemd/"$manager"/*/*.conf; do
        unit=${drop_in%/*}
        echo "644 $units/${unit##*/}/${drop_in##*/} $drop_in"
    done
    echo "644 $installed systemd/10-installed.toml"
    [ "$manager" = system ] || return 0
    echo "644 $prefix/lib/sysusers.d/nanoclaw.conf systemd/sysusers.d/nanoclaw.conf"
    echo "644 $prefix/lib/tmpfiles.d/nanoclaw.conf systemd/tmpfiles.d/nanoclaw.conf"
    echo "644 $prefix/lib/systemd/catalog/nanoclaw.catalog systemd/nanoclaw.catalog"
}

manifest() { echo "$destdir$prefix/share/doc/nanoclaw/installed"; }

# A file that is there but that no earlier run has put there belongs to somebody else.
foreign() {
    files | while read -r _ to _; do
        [ -e "$destdir$to" ] || [ -L "$destdir$to" ] || continue
        grep -qsxF "$to" "$(manifest)" || echo "$destdir$to"
    done
}

check() {
    missing=$(files | while read -r _ _ from; do [ -f "$from" ] || echo "$from"; done)
    [ -z "$missing" ] || cannot "not built: $(echo "$missing" | tr '\n' ' '); run make build first"
    others=$(foreign)
    [ -z "$others" ] || cannot "not ours, and they stay: $(echo "$others" | tr '\n' ' '); move them away first"
    may_change || cannot "only root may install below $prefix; --user installs for you alone, --destdir=DIR makes a package"
}

may_change() {
    [ -z "$destdir" ] || return 0
    [ "$manager" = system ] || { [ "$(id -u)" != 0 ] || cannot "--user is for an ordinary user; root installs for the whole system"; return 0; }
    [ "$(id -u)" = 0 ]
}

# Every file is written beside its place first; only when all are there are they renamed.
clean() {
    files | while read -r _ to _; do rm -f "$destdir$to.new"; done
    rm -f "$(manifest).new"
    [ ! -s "$made" ] || sort -r "$made" | while read -r dir; do rmdir "$dir" 2>/dev/null || :; done
}

directory() {
    [ -d "$1" ] && return 0
    directory "$(dirname "$1")" && mkdir "$1" && echo "$1" >>"$made"
}

# Units name their programs by their whole path, and what is for one user names that user's directories.
place() {
    case $1 in
        systemd/*) sed -e "s|/usr/local/|$prefix/|g" -e "s|/var/lib/nanoclaw|$state|g; s|%h/.local/state/nanoclaw|$state|g" -e "s|\"/run/nanoclaw|\"$run|" "$1" >"$2" ;;
        *) cp "$1" "$2" ;;
    esac
}

stage() {
    files | while read -r mode to from; do
        directory "$(dirname "$destdir$to")" && place "$from" "$destdir$to.new" && chmod "$mode" "$destdir$to.new" || exit 1
    done && files | { while read -r _ to _; do echo "$to"; done; sort -u "$(manifest)" 2>/dev/null || :; } | sort -u >"$(manifest).new"
}

install_all() {
    check
    if [ "$dry" = yes ]; then files | while read -r mode to _; do echo "$mode $destdir$to"; done; return; fi
    made=$(mktemp) || cannot "no room for a temporary file"
    trap 'rm -f "$made"' EXIT
    trap 'clean; exit 78' HUP INT TERM
    stage || { clean; cannot "could not write below $destdir$prefix; nothing was changed"; }
    trap "" HUP INT TERM
    mv -f "$(manifest).new" "$(manifest)"
    files | while read -r _ to _; do mv -f "$destdir$to.new" "$destdir$to"; done
    [ -n "$destdir" ] || case $manager in system) begin ;; user) begin_user ;; esac
}

runs_systemd() { [ -z "$destdir" ] && [ -d /run/systemd/system ] && { [ "$manager" = system ] || systemctl --user show-environment >/dev/null 2>&1; }; }

ctl() { if [ "$manager" = user ]; then systemctl --user "$@"; else systemctl "$@"; fi; }

# Users, directories and units, where systemd runs; what ran goes on with the new programs.
begin() {
    if ! runs_systemd; then
        say "systemd does not run here: nanoclawctl up starts everything in the foreground"
        return
    fi
    if ! { systemd-sysusers && systemd-tmpfiles --create nanoclaw.conf && chgrp nanoclaw /etc/nanoclaw; }; then
        say "the files are in place, but users and directories could not be made: mend that and run this again"
        exit 1
    fi
    journalctl --update-catalog 2>/dev/null || :
    systemctl daemon-reload
    systemctl try-restart nc-router.service nc-ipcd.service
    cat >&2 <<'TEXT'
install.sh: done. Next:
  nanoclawctl group add Main --folder main --main
  systemctl enable --now nanoclaw.target
  nanoclawctl talk
TEXT
}

# The directories of a user's own installation are the user's alone.
begin_user() {
    for dir in "$etc" "$state" "$state/store" "$state/groups" "$state/data"; do
        [ -d "$dir" ] || (umask 077 && mkdir -p "$dir") || { say "the files are in place, but $dir could not be made: mend that and run this again"; exit 1; }
    done
    if ! runs_systemd; then
        say "no manager of yours can be reached (systemctl --user): log in again, or run nanoclawctl up in the foreground"
        return
    fi
    ctl daemon-reload
    ctl try-restart nc-router.service nc-ipcd.service
    warn_user
    cat >&2 <<TEXT
install.sh: done. Next:
  $prefix/bin/nanoclawctl group add Main --folder main --main
  systemctl --user enable --now nanoclaw.target
  $prefix/bin/nanoclawctl talk
TEXT
}

# What an ordinary user's manager may not be able to do, which it would say late or never.
warn_user() {
    systemd-run --user --quiet --wait --collect --property=PrivateUsers=yes --property=ProtectSystem=strict true 2>/dev/null ||
        say "warning: this machine gives you no user namespaces, without which neither units are closed off nor sandboxes are built: see nanoclaw-units(7)"
    group=/sys/fs/cgroup/user.slice/user-$(id -u).slice/user@$(id -u).service/cgroup.controllers
    { grep -qw memory "$group" && grep -qw pids "$group"; } 2>/dev/null ||
        say "warning: your manager has no control of memory and processes, so that the limits of runs in its units do nothing: see nanoclaw-units(7)"
    [ "$(loginctl show-user --property=Linger --value "$(id -un)" 2>/dev/null)" = yes ] ||
        say "note: everything stops when you log out, and starts when you log in; loginctl enable-linger keeps it running"
}

# Everything of ours that runs ends first. What an agent says last is taken in when the toolkit is installed and started again.
halt() {
    runs_systemd || return 0
    ctl disable --now nanoclaw.target 2>/dev/null || :
    ctl stop nanoclaw-agents.slice 'nc-*' 2>/dev/null || :
}

remove() { if [ "$dry" = yes ]; then echo "remove $2"; else rm "$1" "$2"; fi; }

uninstall_all() {
    may_change || cannot "only root may remove what is below $prefix"
    if [ -f "$(manifest)" ]; then
        [ "$dry" = yes ] || halt
        while read -r to; do
            case $to in "$prefix"/* | "$units"/* | "$installed") remove -f "$destdir$to" ;; esac
        done <"$(manifest)"
        remove -f "$(manifest)"
        if [ "$dry" = no ]; then
            for dir in "$prefix/libexec/nanoclaw" "$prefix/share/doc/nanoclaw" "$etc/nanoclaw.toml.d" "$etc"; do
                rmdir "$destdir$dir" 2>/dev/null || :
            done
            rmdir "$destdir$units"/nc-*.d 2>/dev/null || :
            ! runs_systemd || ctl daemon-reload
        fi
    else
        # Configuration and data may be those of an installation under another prefix, which may be running.
        [ "$purge" = no ] || [ ! -e "$destdir$installed" ] || cannot "nothing is installed below $destdir$prefix, so nothing is purged; --prefix names where it is"
        say "nothing is installed below $destdir$prefix"
    fi
    [ "$purge" = no ] || for dir in "$etc" "$state"; do
        [ ! -e "$destdir$dir" ] || remove -rf "$destdir$dir"
    done
}

parse "$@"
"${action}_all"
