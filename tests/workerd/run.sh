#!/usr/bin/env bash
# Runs the case files on stock workerd. The last line says `N passed, N failed`. Arguments: names
# of folders of tests/cases, by default all. The exit code is 0 if none failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

for tool in node npm; do
  if ! command -v "$tool" > /dev/null; then
    printf 'run.sh: %s is missing: install Node.js 20 or newer (Debian: apt install nodejs npm)\n' \
      "$tool" >&2
    exit 1
  fi
done
if [ ! -e node_modules/.package-lock.json ] ||
  [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund >&2
fi

workerd=
for program in node_modules/@cloudflare/workerd-*/bin/workerd; do
  if [ -x "$program" ]; then workerd=$program; fi
done
if [ -z "$workerd" ]; then
  printf 'run.sh: npm has no workerd for this machine (Linux on x86-64 or 64-bit Arm)\n' >&2
  exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
node config.mjs "$work" "$@"
# Experimental is the service of namespaces that comes with it.
timeout 300 "$workerd" test --experimental "$work/config.capnp" > "$work/out" 2> "$work/err" || true
grep -a -e '^@failed ' -e '^@differs ' "$work/out" | sed -e 's/^@//' -e 's/@n/\n  /g' || true
passed=$(grep -a -c '^@passed ' "$work/out" || true)
failed=$(grep -a -c '^@failed ' "$work/out" || true)
if ! grep -a -q '^@done' "$work/out"; then
  cat "$work/err" >&2
  printf 'run.sh: workerd did not finish the cases\n' >&2
  failed=$((failed + 1))
fi
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
