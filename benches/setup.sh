#!/bin/sh
# Installs the stock workerd that the benches compare with, in the pinned version, under
# benches/node_modules, and beside it the queue broker of its development tools. Needs npm and about
# 160 MB of disk; run it once.
set -eu
cd "$(dirname "$0")"
npm ci --ignore-scripts --no-audit --no-fund
"$(find node_modules/@cloudflare -path '*/bin/workerd' -type f | head -n 1)" --version
# Only the broker's modules: the whole package brings another workerd.
mkdir node_modules/broker
package=$(npm pack --silent --pack-destination node_modules miniflare@4.20260730.0)
tar -xzf "node_modules/$package" -C node_modules/broker --strip-components=4 \
  package/dist/src/workers/queues package/dist/src/workers/shared
rm "node_modules/$package"
