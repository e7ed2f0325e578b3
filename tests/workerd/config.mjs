// Writes a configuration for workerd: a service for each case file, around it the same main
// module as in Bindery, and one that asks for each case by name.
// Usage: node config.mjs DIR [FOLDER...]

import { copyFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const tests = dirname(dirname(fileURLToPath(import.meta.url)));
const [work, ...wanted] = process.argv.slice(2);
const folders = wanted.length > 0 ? wanted : readdirSync(join(tests, "cases")).sort();

for (const name of ["index.js", "t.js", "origin.js", "callee.js"])
  copyFileSync(join(tests, "js/runner", name), join(work, name));
copyFileSync(join(tests, "workerd/driver.js"), join(work, "driver.js"));

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

// What the cases of calls between workers call.
const services = `
        (name = "CALLEE", service = "callee"),
        (name = "NAMED", service = (name = "callee", entrypoint = "Named",
          props = (json = "{\\"role\\":\\"reader\\",\\"list\\":[1,null]}"))),`;

const subject = ({ name, copy }) => `
    (name = "${name}", worker = (
      modules = [
        (name = "index.js", esModule = embed "index.js"),
        (name = "t.js", esModule = embed "t.js"),
        (name = "case.js", esModule = embed "${copy}"),
      ],
      bindings = [
        (name = "TEXT", text = "a text"),
        (name = "VALUE", json = "{\\"b\\":[1,null],\\"a\\":{\\"z\\":true,\\"y\\":\\"\\\\u00e9\\"}}"),${name.startsWith("rpc/") ? services : ""}
      ],
      compatibilityDate = "2026-08-01",
      globalOutbound = "origin",
    )),`;
const callee = `
    (name = "callee", worker = (
      modules = [(name = "callee.js", esModule = embed "callee.js")],
      compatibilityDate = "2026-08-01",
    )),`;
const origin = `
    (name = "origin", worker = (
      modules = [(name = "origin.js", esModule = embed "origin.js")],
      compatibilityDate = "2026-08-01",
    )),`;
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
  services = [${subjects.map(subject).join("")}${origin}${callee}${driver}
  ],
);
`,
);
