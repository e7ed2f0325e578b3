#!/usr/bin/env bash
# The published capnweb, unmodified and bundled with a stock bundler, between workers. Needs Rust,
# Node and npm. Ends with one line, `N passed, N failed`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../../.."

fail() {
  printf 'tests/rpc/capnweb/run.sh: %s\n0 passed, 1 failed\n' "$*" >&2
  exit 1
}

for tool in npm node curl; do
  command -v "$tool" > /dev/null || fail "$tool is missing (Debian: apt install nodejs npm curl)"
done
# With the tests, as `cargo test` built it: alone, the program would be built with other features
# of its dependencies.
cargo build --quiet --bin bindery --tests
bindery=$(realpath "${CARGO_TARGET_DIR:-target}/debug/bindery")

work=$(mktemp -d)
session=
stop() {
  if [ -n "$session" ]; then
    kill -INT "$session" 2> /dev/null || true
    wait "$session" 2> /dev/null || true
  fi
  rm -rf "$work"
}
trap stop EXIT

cp -r "$here/package.json" "$here/package-lock.json" "$here/src" "$here/wrangler.jsonc" "$work"
(cd "$work" && npm ci --no-audit --no-fund --loglevel=error)
(cd "$work" && npx esbuild src/index.js --bundle --format=esm --conditions=workerd \
  --external:cloudflare:workers --outfile=bundled/index.js --log-level=warning)
rm -r "$work/src" && mv "$work/bundled" "$work/src"

: > "$work/out"
"$bindery" dev "$work" --port 0 > "$work/out" 2> "$work/err" < /dev/null &
session=$!
for _ in $(seq 600); do
  grep -q 'deployed in' "$work/out" && break
  kill -0 "$session" 2> /dev/null || { cat "$work/out" "$work/err" >&2; fail "the server ended"; }
  sleep 0.1
done
listen=$(sed -n 's/^ready listen=\([^ ]*\).*/\1/p' "$work/out")

passed=0
failed=0
# expect NAME JSON: what the worker's case answers.
expect() {
  local found
  found=$(curl --silent --max-time 30 --noproxy '*' --header "Host: capnweb.dev.localhost" \
    "http://$listen/$1" || true)
  if [ "$found" = "$2" ]; then
    printf 'ok: %s\n' "$1"
    passed=$((passed + 1))
  else
    printf 'not ok: %s\nwanted: %s\nfound: %s\n' "$1" "$2" "$found"
    failed=$((failed + 1))
  fi
}

expect call '"Hello, Ada!"'
expect pipelined '{"one":2,"two":4,"value":4}'
expect fails '"RangeError: on purpose"'
expect values '[5,[1,2],"1",true,"b"]'
expect service 42
expect target 6

printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
