#!/bin/sh
# Installs what building, testing and the demonstration need, and nothing that is there already:
# Debian packages (with sudo when not root), and Python packages into .venv.
#
#   scripts/install.sh build       what the build needs
#   scripts/install.sh             that, and what tests and the demonstration need
#   scripts/install.sh package     what the build and `make package` need
#   scripts/install.sh test-all    what only `make test-all` needs, and that for `make package`
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

if ! command -v swift >/dev/null 2>&1; then
    say "error: there is no Swift toolchain. Carillon needs Swift 6.2 or later:"
    say "       https://www.swift.org/install/linux/ (then: swift --version)"
    exit 1
fi
version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
case "$version" in
    [0-5].* | 6.[01])
        say "error: this is Swift $version. Carillon needs Swift 6.2 or later: https://www.swift.org/install/linux/"
        exit 1
        ;;
esac

# package:what shows that it is there. A file where there is no command.
build="libhiredis-dev:/usr/include/hiredis/hiredis.h libssl-dev:/usr/include/openssl/ssl.h
    zlib1g-dev:/usr/include/zlib.h pkg-config:pkg-config"
run="redis-server:redis-server haproxy:haproxy nginx:nginx
    libnginx-mod-stream:/usr/lib/nginx/modules/ngx_stream_module.so
    openssl:openssl chromium:chromium python3-venv:/usr/share/doc/python3-venv curl:curl fiu-utils:fiu-run
    nftables:nft iproute2:tc shellcheck:shellcheck systemd:systemd-analyze prometheus:promtool man-db:man"
packaging="debhelper:dh chrpath:chrpath dpkg-dev:dpkg-buildpackage"
all="lintian:lintian mmdebstrap:mmdebstrap systemd-container:systemd-nspawn"
case "${1:-tests}" in
    build) wanted=$build ;;
    tests) wanted="$build $run" ;;
    package) wanted="$build $packaging" ;;
    test-all) wanted="$build $run $packaging $all" ;;
    *)
        say "error: '$1' is nothing that this installs: build, package, test-all, or nothing for the tests"
        exit 64
        ;;
esac

missing=""
for pair in $wanted; do
    package=${pair%%:*} sign=${pair#*:}
    case "$sign" in
        /*) [ -e "$sign" ] || missing="$missing $package" ;;
        # Debian keeps servers where not everybody looks.
        *) PATH="$PATH:/usr/sbin:/sbin" command -v "$sign" >/dev/null 2>&1 || missing="$missing $package" ;;
    esac
done

if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        say "error: these are missing, and there is no apt-get to install them:$missing"
        exit 1
    fi
    asRoot=""
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 || { say "error: to install$missing, run this as root or install sudo"; exit 1; }
        asRoot="sudo"
    fi
    say "installing$missing"
    # Debian may start services of some of these. Nothing here uses them: tests and demonstration start their own.
    # shellcheck disable=SC2086
    { $asRoot apt-get update -q && $asRoot env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $missing; } >&2
fi

case "${1:-tests}" in build | package) exit 0 ;; esac

# Valkey is tested beside Redis. Debian 12 has it among its backports, later ones among the others; it is unpacked, not
# installed, so that nothing of the system changes.
valkey=.build/valkey
if [ ! -x $valkey/valkey-server ] && command -v apt-get >/dev/null 2>&1; then
    say "fetching valkey"
    mkdir -p $valkey/lists/partial $valkey/cache/archives/partial
    # The name is the program's, and the file is the system's.
    # shellcheck disable=SC2016
    site=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -v security | sort -u | head -n 1)
    # shellcheck disable=SC1091
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    for suite in "$codename" "$codename-backports"; do
        printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$site" "$suite"
    done > $valkey/sources.list
    (
        cd $valkey
        set -- -q -o Dir::Etc::sourcelist="$PWD/sources.list" -o Dir::Etc::sourceparts=- \
            -o Dir::State::lists="$PWD/lists" -o Dir::Cache="$PWD/cache" -o APT::Sandbox::User=root
        apt-get "$@" update && apt-get "$@" download valkey-tools && dpkg -x valkey-tools_*.deb . \
            && ln -sf usr/bin/valkey-check-rdb valkey-server
    ) >$valkey/log 2>&1 || say "valkey could not be had (see $valkey/log); its tests are left out"
fi

requirements=Tests/Integration/requirements.txt
if ! cmp -s "$requirements" .venv/requirements.txt; then
    say "making .venv"
    [ -x .venv/bin/python ] || python3 -m venv .venv
    .venv/bin/python -m pip install -q --disable-pip-version-check -r "$requirements"
    # Last, so that an interrupted installation is done again.
    cp "$requirements" .venv/requirements.txt
fi
