#!/bin/sh
# Make .venv with exactly the locked packages. Called by `make setup`; needs Python 3.11 or later and nothing else.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

say() { printf '%s\n' "$*" >&2; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    say "Liangfa needs Python 3.11 or later as '$python'. On Debian 12: apt-get install python3. Or: make setup PYTHON=/path/to/python3.11"
    exit 1
}

if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "Installing the Debian package $package (it holds ensurepip)."
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package" >/dev/null
    else
        say "The module ensurepip is missing. Install it, then run this again: sudo apt-get install $package"
        exit 1
    fi
fi

[ -x .venv/bin/python ] || "$python" -m venv .venv
say "Installing the locked packages into .venv (about a minute the first time)."
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .

# The tests run on PostgreSQL too. Without it they are left out, with a line that says so.
if [ -z "${LIANGFA_TEST_POSTGRES:-}" ] && ! command -v postgres >/dev/null && ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "Installing the Debian package postgresql (for tests; no server is left running)."
        mkdir -p /etc/postgresql-common
        [ -e /etc/postgresql-common/createcluster.conf ] ||
            echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
            -o Dpkg::Options::=--force-confold postgresql >/dev/null; } ||
            say "It could not be installed: tests that need PostgreSQL will be left out."
    else
        say "Tests that need PostgreSQL will be left out. To run them: sudo apt-get install postgresql"
    fi
fi

# And on Kafka, whose broker Maven fetches when a test first needs it.
if [ -z "${LIANGFA_TEST_KAFKA:-}" ] && ! { command -v java && command -v mvn; } >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "Installing the Debian packages openjdk-17-jre-headless and maven (for tests)."
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
            openjdk-17-jre-headless maven >/dev/null; } ||
            say "They could not be installed: tests that need Kafka will be left out."
    else
        say "Tests that need Kafka will be left out. To run them: sudo apt-get install openjdk-17-jre-headless maven"
    fi
fi
touch .venv/.ready
