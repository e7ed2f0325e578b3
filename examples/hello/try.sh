#!/usr/bin/env bash
# Builds Bindery, serves a throw-away directory on free ports of this machine, deploys this worker
# for the tenant `demo`, asks it once and prints the answer. Leaves nothing behind but the build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

fail() {
  printf 'try.sh: %s\n' "$*" >&2
  exit 1
}

command -v cargo > /dev/null || fail "cargo is missing: install Rust from https://rustup.rs"
command -v cc > /dev/null || fail "a C compiler is missing: install gcc (Debian: apt install gcc libc6-dev)"
command -v curl > /dev/null || fail "curl is missing: install it (Debian: apt install curl)"

echo "building (the first time compiles every dependency)" >&2
cargo build --bin bindery

work=$(mktemp -d)
touch "$work/out"
server=
cleanup() {
  if [ -n "$server" ]; then
    kill -TERM "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
  fi
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The token is this run's own, so that no other server's is used or changed.
BINDERY_TOKEN=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
export BINDERY_TOKEN

# Cargo becomes the program that it runs, so its process id is the server's.
cargo run --quiet --bin bindery -- serve --data "$work/data" \
  --listen 127.0.0.1:0 --admin 127.0.0.1:0 > "$work/out" 2> "$work/log" < /dev/null &
server=$!

ready=
for _ in $(seq 300); do
  ready=$(grep -m1 '^ready ' "$work/out" || true)
  [ -z "$ready" ] || break
  kill -0 "$server" 2> /dev/null || break
  sleep 0.1
done
if [ -z "$ready" ]; then
  cat "$work/log" >&2
  fail "the server did not become ready; its log stands above"
fi
listen=$(sed -n 's/.*listen=\([^ ]*\).*/\1/p' <<< "$ready")
admin=$(sed -n 's/.*admin=\([^ ]*\).*/\1/p' <<< "$ready")
[ -n "$listen" ] && [ -n "$admin" ] || fail "the server's first line names no addresses: $ready"

cargo run --quiet --bin bindery -- deploy examples/hello --tenant demo --api "http://$admin" >&2 ||
  fail "the deployment was refused"

echo "GET http://hello.demo.localhost/" >&2
if ! curl --silent --show-error --fail-with-body --max-time 30 --noproxy '*' \
  --header 'Host: hello.demo.localhost' "http://$listen/"; then
  cat "$work/log" >&2
  fail "the worker did not answer; the server's log stands above"
fi
