#!/bin/sh
# Installs the stock workerd that the benches compare with, in the pinned version, under
# benches/node_modules. Needs npm and about 160 MB of disk; run it once.
set -eu
cd "$(dirname "$0")"
npm ci --ignore-scripts --no-audit --no-fund
"$(find node_modules/@cloudflare -path '*/bin/workerd' -type f | head -n 1)" --version
