#!/usr/bin/env bash
# The published capnweb, unmodified and bundled with a stock bundler, on Bindery and on stock
# workerd. Left out is what needs a WebSocket, which Bindery has none of: `newWebSocketRpcSession`,
# `newWorkersWebSocketRpcResponse`, `WebSocketTransport`, and `newWorkersRpcResponse` of a request to
# upgrade. Needs Rust, Node and npm. Ends with one line, `N passed, N failed`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

fail() {
  printf 'tests/capnweb/run.sh: %s\n0 passed, 1 failed\n' "$*" >&2
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
server=
# Not an interrupt, which a program that a script starts beside itself is set to ignore.
stop() {
  if [ -n "$server" ]; then
    kill -TERM "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
    server=
  fi
}
trap 'stop; rm -rf "$work"' EXIT

cp -r "$here"/{package.json,package-lock.json,src,wrangler.jsonc,config.capnp} "$work"
cp tests/js/runner/t.js "$work/src"
(cd "$work" && npm ci --no-audit --no-fund --loglevel=error)
(cd "$work" && npx esbuild src/index.js --bundle --format=esm --conditions=workerd \
  --external:cloudflare:workers --outfile=bundled/index.js --log-level=warning)
workerd=
for program in "$work"/node_modules/@cloudflare/workerd-*/bin/workerd; do
  if [ -x "$program" ]; then workerd=$program; fi
done
[ -n "$workerd" ] || fail "npm has no workerd for this machine (Linux on x86-64 or 64-bit Arm)"

# await PATTERN: until the server that was started has said so.
await() {
  for _ in $(seq 600); do
    grep -q "$1" "$work/out" && return
    kill -0 "$server" 2> /dev/null || break
    sleep 0.1
  done
  cat "$work/out" "$work/err" >&2
  fail "the server did not start"
}

passed=0
failed=0
# cases RUNTIME HOST ADDRESS: asks for each case by its name.
cases() {
  local name path found
  curl --silent --max-time 30 --noproxy '*' --header "Host: $2" "http://$3/" > "$work/names" || true
  node -e 'for (const name of JSON.parse(require("fs").readFileSync(process.argv[1])))
    console.log(name)' "$work/names" > "$work/list" || fail "$1 names no cases: $(cat "$work/names")"
  while read -r name; do
    path=$(node -p 'encodeURIComponent(process.argv[1])' "$name")
    found=$(curl --silent --max-time 30 --noproxy '*' --header "Host: $2" "http://$3/$path" || true)
    if [ "$found" = passed ]; then
      passed=$((passed + 1))
    else
      printf '%s: %s\n  %s\n' "$1" "$name" "${found//$'\n'/$'\n'  }"
      failed=$((failed + 1))
    fi
  done < "$work/list"
}

mkdir "$work/worker"
cp -r "$work/bundled" "$work/worker/src"
cp "$work/wrangler.jsonc" "$work/worker"
: > "$work/out"
"$bindery" dev "$work/worker" --port 0 > "$work/out" 2> "$work/err" < /dev/null &
server=$!
await 'deployed in'
listen=$(sed -n 's/^ready listen=\([^ ]*\).*/\1/p' "$work/out")
cases Bindery dev.localhost "$listen"
stop

: > "$work/out"
"$workerd" serve "$work/config.capnp" --control-fd=3 3> "$work/out" 2> "$work/err" < /dev/null &
server=$!
await '"listen"'
port=$(sed -n 's/.*"port":\([0-9]*\).*/\1/p' "$work/out" | head -1)
cases workerd capnweb "127.0.0.1:$port"

printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
