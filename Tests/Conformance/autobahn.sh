#!/bin/sh
# Installs the Autobahn suite, which runs on Python 2.7 only, into .build/autobahn (or where the argument says).
#
#   Tests/Conformance/autobahn.sh                        with the python2.7 of PATH or of pyenv
#   PYTHON27=/opt/python27/bin/python2.7 Tests/Conformance/autobahn.sh
#
# Then `make test-all` has it judge, too. Nothing else needs it: kosoku runs the same cases.
set -eu
cd "$(dirname "$0")/../.."
place=${1:-.build/autobahn}

say() { printf '%s\n' "$*" >&2; }

# A shim of pyenv is there even when it leads nowhere.
python27=""
for candidate in "${PYTHON27:-}" python2.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7.*/bin/python2.7; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
        python27=$("$candidate" -c 'import sys; print(sys.executable)')
        break
    fi
done
if [ -z "$python27" ]; then
    say "error: there is no Python 2.7. Debian has none any more; pyenv install 2.7.18 builds one."
    exit 1
fi

# Later versions of virtualenv do not know Python 2 any more.
rm -rf "$place"
mkdir -p "$place"
python3 -m venv "$place/virtualenv"
"$place/virtualenv/bin/python" -m pip install -q --disable-pip-version-check 'virtualenv<20.22'
"$place/virtualenv/bin/python" -m virtualenv -q -p "$python27" "$place"
rm -rf "$place/virtualenv"

# The last versions for Python 2.7, and the one version of autobahn the suite was written for.
pip="$place/bin/pip --disable-pip-version-check -q"
$pip install setuptools==44.0.0 incremental==16.10.1 txaio==2.1.0 six==1.16.0
$pip install --no-build-isolation cryptography==3.3.2 pyOpenSSL==19.1.0 Twisted==19.10.0 zope.interface==4.6.0 \
    jinja2==2.11.3 markupsafe==1.1.1 Werkzeug==1.0.1 klein==17.10.0 service_identity==18.1.0 unittest2==1.1.0
$pip install --no-build-isolation --no-deps autobahn==0.10.9 wsaccel==0.6.2 ujson==1.35 autobahntestsuite==25.10.1
"$place/bin/wstest" --autobahnversion
