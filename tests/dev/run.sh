#!/usr/bin/env bash
# Bundling with the real bundler: the router example from its sources and its package, then a
# project without a bundler of its own, which gets one through npx. Needs Rust, Node and npm.
# Ends with one line, `N passed, N failed`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

fail() {
  printf 'tests/dev/run.sh: %s\n0 passed, 1 failed\n' "$*" >&2
  exit 1
}

command -v npm > /dev/null || fail "npm is missing: install Node.js (Debian: apt install nodejs npm)"
command -v curl > /dev/null || fail "curl is missing: install it (Debian: apt install curl)"
# With the tests, as `cargo test` built it: alone, the program would be built with other features
# of its dependencies.
cargo build --quiet --bin bindery --tests
bindery="${CARGO_TARGET_DIR:-target}/debug/bindery"
bindery=$(realpath "$bindery")

work=$(mktemp -d)
session=
stop() {
  if [ -n "$session" ]; then
    kill -TERM "$session" 2> /dev/null || true
    wait "$session" 2> /dev/null || true
    session=
  fi
}
trap 'stop; rm -rf "$work"' EXIT
passed=0
failed=0

# serve DIR: a session whose address is then in `listen`; waits for its first deployment.
serve() {
  # Made before it is looked at.
  : > "$work/out"
  "$bindery" dev "$1" --port 0 > "$work/out" 2> "$work/err" < /dev/null &
  session=$!
  await 'deployed in' 1
  listen=$(sed -n 's/^ready listen=\([^ ]*\).*/\1/p' "$work/out")
}

# await TEXT COUNT: waits until so many lines of the session's output have the text.
await() {
  for _ in $(seq 600); do
    [ "$(grep -c "$1" "$work/out")" -lt "$2" ] || return 0
    kill -0 "$session" 2> /dev/null || break
    sleep 0.1
  done
  cat "$work/out" "$work/err" >&2
  return 1
}

get() { curl --silent --max-time 30 --noproxy '*' --header 'Host: dev.localhost' "http://$listen$1"; }

# expect NAME TEXT COMMAND...: counts whether the command prints a text.
expect() {
  local name=$1 text=$2 found
  shift 2
  found=$("$@" 2>&1) || true
  case "$found" in
    *"$text"*) printf 'ok: %s\n' "$name"; passed=$((passed + 1)) ;;
    *) printf 'not ok: %s\nwanted: %s\nfound: %s\n' "$name" "$text" "$found"; failed=$((failed + 1)) ;;
  esac
}

mkdir "$work/router"
cp -r examples/router/package.json examples/router/package-lock.json examples/router/src "$work/router"
cat > "$work/router/wrangler.jsonc" << 'END'
{ "main": "src/index.js", "compatibility_date": "2026-08-01", "vars": { "GREETING": "Hello" } }
END
(cd "$work/router" && npm ci --no-audit --no-fund --loglevel=error)
serve "$work/router"
expect "a package is bundled by the project's own bundler" "Hello, Ada!" get /hello/Ada
sed -i 's/GREETING}/GREETING} again/' "$work/router/src/index.js"
await 'deployed in' 2 || true
expect "a save is bundled again" "Hello again, Ada!" get /hello/Ada
stop

mkdir -p "$work/plain/src" "$work/plain/node_modules/shout"
echo '{ "name": "shout", "main": "index.js" }' > "$work/plain/node_modules/shout/package.json"
echo 'module.exports = (text) => text.toUpperCase() + require("./mark");' \
  > "$work/plain/node_modules/shout/index.js"
echo 'module.exports = "!";' > "$work/plain/node_modules/shout/mark.js"
cat > "$work/plain/wrangler.jsonc" << 'END'
{ "main": "src/index.ts", "compatibility_date": "2026-08-01" }
END
cat > "$work/plain/src/index.ts" << 'END'
import shout from "shout";
import page from "./page.html";
const twice = (_: unknown, context: ClassMethodDecoratorContext) => void context.name;
class Page {
  @twice
  text(): string {
    return shout("hi") + page;
  }
}
export default { fetch: (): Response => new Response(new Page().text()) };
END
printf '<p>' > "$work/plain/src/page.html"
serve "$work/plain"
expect "a project without a bundler gets one" "HI!<p>" get /
stop

printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
