#!/bin/sh
# Installs NanoClaw for the whole system, from programs that are already built. See usage().
# What is installed is the table that files() prints; everything else is a loop over it.
set -eu
umask 022
cd "$(dirname "$0")"

prefix=/usr/local destdir='' built=${CARGO_TARGET_DIR:-target}/release action=install dry=no purge=no

usage() {
    cat <<'TEXT'
usage: install.sh [--prefix=DIR] [--destdir=DIR] [--built=DIR] [--dry-run]
       install.sh --uninstall [--purge] [--prefix=DIR] [--destdir=DIR] [--dry-run]

  --prefix=DIR   where it will live; /usr/local unless told
  --destdir=DIR  put everything below DIR, to make a package; nothing of the running system is touched
  --built=DIR    where the built programs lie; target/release unless told
  --dry-run      say what would be done, and do nothing
  --uninstall    remove what was installed; configuration and data stay
  --purge        with --uninstall: remove configuration and data too

Exit status: 0 done, 64 wrong use, 78 cannot be installed here (nothing was changed).
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
            --dry-run) dry=yes ;;
            --uninstall) action=uninstall ;;
            --purge) purge=yes ;;
            --help) usage; exit 0 ;;
            *) wrong "unknown option $1; --help lists those that there are" ;;
        esac
        shift
    done
    case $prefix in /?*) ;; *) wrong "--prefix must be an absolute path, not '$prefix'" ;; esac
    case $destdir in '' | /?*) ;; *) wrong "--destdir must be an absolute path, not '$destdir'" ;; esac
    case $prefix$destdir in *[!A-Za-z0-9/._+-]* | */../* | */..) wrong "--prefix and --destdir may hold letters, digits, / . _ + - and no .. part" ;; esac
    [ "$purge" = no ] || [ "$action" = uninstall ] || wrong "--purge goes with --uninstall"
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
    [ -n "$destdir" ] || [ "$(id -u)" = 0 ] || cannot "only root may install below $prefix; --destdir=DIR makes a package"
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

stage() {
    files | while read -r mode to from; do
        directory "$(dirname "$destdir$to")" && cp "$from" "$destdir$to.new" && chmod "$mode" "$destdir$to.new" || exit 1
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
}

remove() { if [ "$dry" = yes ]; then echo "remove $2"; else rm "$1" "$2"; fi; }

uninstall_all() {
    [ -n "$destdir" ] || [ "$(id -u)" = 0 ] || cannot "only root may remove what is below $prefix"
    if [ -f "$(manifest)" ]; then
        while read -r to; do
            case $to in "$prefix"/*) remove -f "$destdir$to" ;; esac
        done <"$(manifest)"
        remove -f "$(manifest)"
        if [ "$dry" = no ]; then
            rmdir "$destdir$prefix/libexec/nanoclaw" "$destdir$prefix/share/doc/nanoclaw" 2>/dev/null || :
        fi
    else
        say "nothing is installed below $destdir$prefix"
    fi
    [ "$purge" = no ] || for dir in /etc/nanoclaw /var/lib/nanoclaw; do
        [ ! -e "$destdir$dir" ] || remove -rf "$destdir$dir"
    done
}

parse "$@"
"${action}_all"
