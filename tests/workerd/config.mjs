// Writes a configuration for workerd: a service for each case file, around it the same main
// module as in Bindery, one that asks for each case by name, and workerd's own service of
// namespaces.
// Usage: node config.mjs DIR [FOLDER...]

import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const tests = dirname(dirname(fileURLToPath(import.meta.url)));
const [work, ...wanted] = process.argv.slice(2);
const folders = wanted.length > 0 ? wanted : readdirSync(join(tests, "cases")).sort();

for (const name of ["index.js", "t.js", "origin.js", "callee.js"])
  copyFileSync(join(tests, "js/runner", name), join(work, name));
for (const name of ["driver.js", "cache.js", "queue.js"])
  copyFileSync(join(tests, "workerd", name), join(work, name));

// What workerd keeps for the cases.
mkdirSync(join(work, "kv"));

const subjects = [];
for (const folder of folders) {
  for (const file of readdirSync(join(tests, "cases", folder)).sort()) {
    if (!file.endsWith(".js")) continue;
    const name = `${folder}/${file.slice(0, -3)}`;
    const copy = name.replace("/", "-") + ".js";
    copyFileSync(join(tests, "cases", folder, file), join(work, copy));
    subjects.push({ name, copy });
  }
}

// The bindings that the cases of a folder are about.
const bound = {
  kv: (name) => `(name = "KV", kvNamespace = (
          name = "kv", props = (json = "{\\"namespace\\":\\"${name}\\"}")
        )),`,
  queue: () => `(name = "QUEUE", queue = "queue"),`,
  rpc: () => `(name = "CALLEE", service = "callee"),
        (name = "METHODS", service = (name = "callee", entrypoint = "Methods")),
        (name = "BODIES", service = (name = "callee", entrypoint = "Bodies")),
        (name = "PLAIN", service = (name = "callee", entrypoint = "plain")),
        (name = "NAMED", service = (name = "callee", entrypoint = "Named",
          props = (json = "{\\"role\\":\\"reader\\",\\"list\\":[1,null]}"))),`,
};
bound.loader = (name) => `${bound.kv(name)}
        ${bound.rpc(name)}
        (name = "LOADER", workerLoader = ()),`;

const subject = ({ name, copy }) => `
    (name = "${name}", worker = (
      modules = [
        (name = "index.js", esModule = embed "index.js"),
        (name = "t.js", esModule = embed "t.js"),
        (name = "case.js", esModule = embed "${copy}"),
      ],
      bindings = [
        ${bound[name.split("/")[0]]?.(name) ?? ""}
        (name = "TEXT", text = "a text"),
        (name = "VALUE", json = "{\\"b\\":[1,null],\\"a\\":{\\"z\\":true,\\"y\\":\\"\\\\u00e9\\"}}"),
      ],
      compatibilityDate = "2026-08-01",
      globalOutbound = "origin",
      cacheApiOutbound = "cache",
    )),`;
const callee = `
    (name = "callee", worker = (
      modules = [(name = "callee.js", esModule = embed "callee.js")],
      compatibilityDate = "2026-08-01",
    )),`;
const queue = `
    (name = "queue", worker = (
      modules = [(name = "queue.js", esModule = embed "queue.js")],
      compatibilityDate = "2026-08-01",
    )),`;
const origin = `
    (name = "origin", worker = (
      modules = [(name = "origin.js", esModule = embed "origin.js")],
      compatibilityDate = "2026-08-01",
    )),`;
const cache = `
    (name = "cache", worker = (
      modules = [(name = "cache.js", esModule = embed "cache.js")],
      compatibilityDate = "2026-08-01",
    )),`;
const kv = `
    (name = "kv", worker = (
      modules = [(name = "kv.js", bundled = "/workerd/kv.js")],
      compatibilityDate = "2026-08-01",
      durableObjectNamespaces = [
        (className = "KVNamespace", uniqueKey = "kv", enableSql = true),
      ],
      durableObjectStorage = (localDisk = "disk"),
      bindings = [
        (name = "SHARD", durableObjectNamespace = "KVNamespace"),
        (name = "BLOBS", service = "disk"),
      ],
    )),
    (name = "disk", disk = (path = "${join(work, "kv")}", writable = true)),`;
const driver = `
    (name = "driver", worker = (
      modules = [(name = "driver.js", esModule = embed "driver.js")],
      bindings = [${subjects.map(({ name }) => `(name = "${name}", service = "${name}")`).join(", ")}],
      compatibilityDate = "2026-08-01",
    )),`;

writeFileSync(
  join(work, "config.capnp"),
  `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [${subjects.map(subject).join("")}${origin}${callee}${cache}${kv}${queue}${driver}
  ],
);
`,
);
