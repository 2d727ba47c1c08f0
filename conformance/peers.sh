#!/usr/bin/env bash
# Installs what the conformance suite and the benchmark talk to, where it is missing, and prints what is used:
# real clients (boto3, aws-cli, rclone) and real object stores (MinIO, Garage), outside the source tree.
#
#   conformance/peers.sh           # clients and MinIO: what `make test` needs
#   conformance/peers.sh garage    # and Garage: `make conformance`
#   conformance/peers.sh rgw       # and Ceph RGW, from Debian's packages
#   conformance/peers.sh bench     # and nginx: `make bench`
#   conformance/peers.sh matrix    # and what test_matrix.py runs: tables, Spark and the SDKs of Go, JavaScript and Java
#   conformance/peers.sh pii       # and what the scrub engine is measured with, `make pii` and `make bench-scrub`: a venv
#   conformance/peers.sh s3tests   # and what conformance/s3tests runs on: a venv, Garage and Ceph RGW
#
# Everything goes to ${XDG_CACHE_HOME:-~/.cache}/llm-data-vault and is kept. To take newer versions, delete it there.
set -euo pipefail

cache="${XDG_CACHE_HOME:-$HOME/.cache}/llm-data-vault"
here="$(cd "$(dirname "$0")" && pwd)"
mkdir -p "$cache/bin"
# Two runs at once (a developer's and an editor's) must not build the same thing into one place.
exec 9>"$cache/.lock"
flock 9

say() { printf 'peers: %s\n' "$*"; }
die() { printf 'peers: %s\n' "$*" >&2; exit 1; }

# go_tool NAME MODULE
go_tool() {
    local bin="$cache/bin/$1"
    if [ ! -x "$bin" ]; then
        command -v go >/dev/null || die "go is needed to build $1 ($2): install Go 1.26 or newer"
        say "building $1 (minutes, once)"
        GOBIN="$cache/bin" go install "$2@latest"
    fi
    if command -v go >/dev/null; then
        say "$1 $(go version -m "$bin" | awk '$1 == "mod" { print $3; exit }')"
    else
        say "$1 ($bin)"
    fi
}

rclone_of_s3() {
    local bin="$cache/bin/rclone" to="$cache/rclone" from="$here/rclone"
    if [ ! -x "$bin" ] || changed "$to" "$from/go.mod" "$from/main.go"; then
        command -v go >/dev/null || die "go is needed to build rclone: install Go 1.26 or newer"
        say "building rclone (minutes, once)"
        mkdir -p "$to"
        (cd "$from" && GOFLAGS=-mod=readonly go build -o "$bin" .)
        made "$to" "$from/go.mod" "$from/main.go"
    fi
    say "$("$bin" version | head -n 1)"
}

python_venv() {
    local venv="$cache/venv" stamp="$cache/venv/requirements.installed"
    if ! cmp -s "$here/requirements.txt" "$stamp"; then
        command -v python3 >/dev/null || die "python3 (3.11 or newer, with venv) is needed"
        [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
        say "installing the Python clients"
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
        cp "$here/requirements.txt" "$stamp"
    fi
    say "$("$venv/bin/python" --version), $("$venv/bin/pip" list --disable-pip-version-check --format=freeze \
        | grep -E '^(awscli|boto3|cryptography|pytest|pytest-xdist)==' | tr '\n' ' ')"
}

garage() {
    local version=2.5.0
    if ! "$cache/bin/garage" --version 2>/dev/null | grep -q "$version"; then
        command -v cargo >/dev/null || die "cargo is needed to build garage"
        say "building garage $version (ten minutes, once)"
        CARGO_TARGET_DIR="$cache/garage-build" cargo install garage --version "$version" --locked --no-default-features \
            --features bundled-libs,sqlite,lmdb --root "$cache"
        rm -rf "$cache/garage-build"
    fi
    say "$("$cache/bin/garage" --version | head -n 1)"
}

nginx_debian() {
    if ! command -v nginx >/dev/null && [ ! -x /usr/sbin/nginx ]; then
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "install nginx (Debian: apt-get install nginx-light)"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light >/dev/null
    fi
    say "$(PATH="$PATH:/usr/sbin" nginx -v 2>&1)"
}

s3tests_venv() {
    local venv="$cache/s3tests-venv" stamp="$cache/s3tests-venv/requirements.installed"
    if ! cmp -s "$here/s3tests/requirements.txt" "$stamp"; then
        [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
        say "installing what s3-tests imports"
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/s3tests/requirements.txt"
        cp "$here/s3tests/requirements.txt" "$stamp"
    fi
    say "s3tests: $("$venv/bin/python" --version), $venv"
}

pii_venv() {
    local venv="$cache/pii-venv" of="$here/pii/requirements.txt" data="$here/pii/requirements-data.txt"
    if [ ! -x "$venv/bin/python" ] || changed "$venv" "$of" "$data"; then
        [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
        say "installing what the scrub engine is measured with"
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$of"
        "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$data"
        made "$venv" "$of" "$data"
    fi
    say "pii: $("$venv/bin/python" --version), $venv"
}

# changed FOLDER FILE...: whether FOLDER was made from other files
changed() {
    local folder="$1"
    shift
    ! cat "$@" | cmp -s - "$folder/made-from"
}

made() {
    local folder="$1"
    shift
    cat "$@" >"$folder/made-from"
}

matrix() {
    local from="$here/matrix" venv="$cache/matrix-venv" to="$cache/matrix" hadoop
    mkdir -p "$to/java" "$to/js" "$to/spark"
    if [ ! -x "$venv/bin/python" ] || changed "$venv" "$from/requirements.txt"; then
        [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
        say "installing the clients of tables (a gigabyte, once)"
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$from/requirements.txt"
        made "$venv" "$from/requirements.txt"
    fi
    command -v mvn >/dev/null && command -v javac >/dev/null || die "a JDK (17 or newer) and Maven are needed for Spark and the Java SDK"
    hadoop="$(basename "$venv"/lib/python3*/site-packages/pyspark/jars/hadoop-client-api-*.jar .jar)"
    hadoop="${hadoop#hadoop-client-api-}"
    if [ "$(cat "$to/spark/made-from" 2>/dev/null)" != "$hadoop" ]; then
        say "fetching hadoop-aws $hadoop and its SDK bundle"
        mvn -q -B -f "$from/hadoop-aws.xml" -Dhadoop="$hadoop" dependency:copy-dependencies -DoutputDirectory="$to/spark" \
            -DincludeArtifactIds=hadoop-aws,bundle,analyticsaccelerator-s3
        printf %s "$hadoop" >"$to/spark/made-from"
    fi
    if changed "$to/spark-cloud" "$from/spark-cloud.xml"; then
        # What binds the committers of S3A to Parquet; without it Spark falls back to renaming, silently.
        say "fetching spark-hadoop-cloud"
        mkdir -p "$to/spark-cloud"
        rm -f "$to/spark-cloud"/*.jar
        mvn -q -B -f "$from/spark-cloud.xml" dependency:copy-dependencies -DoutputDirectory="$to/spark-cloud"
        made "$to/spark-cloud" "$from/spark-cloud.xml"
    fi
    if changed "$to/java" "$from/java/pom.xml" "$from/java/src/main/java/Main.java"; then
        say "building the client of the Java SDK"
        mvn -q -B -f "$from/java/pom.xml" dependency:copy-dependencies -DoutputDirectory="$to/java/lib"
        javac -d "$to/java" -cp "$to/java/lib/*" "$from/java/src/main/java/Main.java"
        made "$to/java" "$from/java/pom.xml" "$from/java/src/main/java/Main.java"
    fi
    command -v npm >/dev/null || die "Node.js (20 or newer) with npm is needed for the JavaScript SDK"
    if changed "$to/js" "$from/js/package.json" "$from/js/main.mjs"; then
        say "installing the JavaScript SDK"
        cp "$from/js/package.json" "$from/js/main.mjs" "$to/js"
        (cd "$to/js" && npm install --silent --no-audit --no-fund)
        made "$to/js" "$from/js/package.json" "$from/js/main.mjs"
    fi
    (cd "$from/go" && GOFLAGS=-mod=readonly go build -o "$cache/bin/matrix-go" .)
    command -v terraform >/dev/null || die "install Terraform (1.10 or newer, for its lock file)"
    say "matrix: hadoop-aws $hadoop, $(go version -m "$cache/bin/matrix-go" | awk '$2 ~ /service\/s3$/ { print "Go SDK s3 " $3 }'), Node.js $(node --version), $(terraform version | head -n 1)"
}

rgw_debian() {
    if ! command -v radosgw >/dev/null || ! command -v ceph-mon >/dev/null || ! command -v ceph-osd >/dev/null; then
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null \
            || die "install Ceph RGW (Debian: apt-get install radosgw ceph-mon ceph-osd ceph-common)"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            radosgw ceph-mon ceph-osd ceph-common >/dev/null
    fi
    say "$(radosgw --version)"
}

go_tool minio github.com/minio/minio
rclone_of_s3
python_venv
for extra in "$@"; do
    case "$extra" in
        garage) garage ;;
        bench) nginx_debian ;;
        matrix) matrix ;;
        rgw) rgw_debian ;;
        pii) pii_venv ;;
        s3tests) s3tests_venv; garage; rgw_debian ;;
        *) die "unknown peer '$extra': garage, rgw, bench, matrix, pii or s3tests" ;;
    esac
done
