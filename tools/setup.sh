# shellcheck shell=bash
# What tools/check and tools/demo share: installing what is missing, and saying what goes on.
# To be sourced.

# is_here PROOF: a command, NAME.pc (a pkg-config package), or an absolute path.
is_here() {
    case $1 in
    /*) [ -e "$1" ] ;;
    *.pc) command -v pkg-config >/dev/null && pkg-config --exists "${1%.pc}" ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

# draw_bar WHAT STEP OF: a bar that moves, on a terminal; end it with a line feed.
draw_bar() {
    local hashes='##############################' bar

    [ -t 1 ] || return 0
    bar=${hashes:0:$(($2 * 30 / $3))}
    while [ ${#bar} -lt 30 ]; do bar+=.; done
    printf '\r\e[K     %-20s [%s] %d of %d' "$1" "$bar" "$2" "$3"
}

# show_apt: of what apt-get says, the lines of APT::Status-Fd, as a bar.
show_apt() {
    local line shown=no

    while IFS= read -r line; do
        if [[ $line =~ ^(dl|pm)status:[^:]*:([0-9]+) ]]; then
            case ${BASH_REMATCH[1]} in
            dl) draw_bar downloads "${BASH_REMATCH[2]}" 100 ;;
            pm) draw_bar installs "${BASH_REMATCH[2]}" 100 ;;
            esac
            shown=yes
        fi
    done
    [ "$shown" = no ] || [ ! -t 1 ] || printf '\n'
}

# need_packages PACKAGE[=PROOF]...: install with apt-get those whose proof is not here.  Without a
# proof the package's name is the command to look for.  Nothing is asked, and nothing is touched
# when all is here.
need_packages() {
    local item missing=() as_root=()

    for item in "$@"; do
        is_here "${item#*=}" || missing+=("${item%%=*}")
    done
    [ ${#missing[@]} -eq 0 ] && return 0

    if ! command -v apt-get >/dev/null; then
        echo "missing, and there is no apt-get to install them: ${missing[*]}" >&2
        return 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "missing: please install as root: apt-get install ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "installing: ${missing[*]}"
    "${as_root[@]}" apt-get update -qq &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends -o APT::Status-Fd=1 \
            "${missing[@]}" | show_apt || return 1
    for item in "$@"; do
        if ! is_here "${item#*=}"; then
            echo "still missing after the installation: ${item%%=*} (${item#*=})" >&2
            return 1
        fi
    done
}

# need_build_packages MORE...: what it takes to build the libraries and the program, and more.
need_build_packages() {
    need_packages gcc libc6-dev=/usr/include/stdio.h meson ninja-build=ninja pkg-config python3 \
        libsqlite3-dev=sqlite3.pc libcurl4-openssl-dev=libcurl.pc libcjson-dev=libcjson.pc \
        libpcre2-dev=libpcre2-8.pc libxxhash-dev=libxxhash.pc libidn2-dev=libidn2.pc \
        libmicrohttpd-dev=libmicrohttpd.pc librhonabwy-dev=librhonabwy.pc \
        libgnutls28-dev=gnutls.pc libzstd-dev=libzstd.pc zlib1g-dev=zlib.pc \
        "$@"
}
