// Every kind of module that a loaded worker can have.

const ADD_WASM = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100,
  100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11,
]);

// What an expression of the main module gives, as JSON.
async function shown({ LOADER }, imports, expression, modules = {}) {
  const worker = LOADER.load({
    compatibilityDate: "2026-08-01",
    mainModule: "main.js",
    modules: {
      "main.js": `${imports}
        export default { fetch: async () => Response.json(await (async () => ${expression})()) };`,
      ...modules,
    },
  });
  return (await worker.getEntrypoint().fetch("http://x/")).json();
}

export const differs = {
  "a CommonJS module that throws is run again": "workerd keeps a module that has thrown",
  "a module that is being evaluated can not be required": "workerd gives what there is of it",
  "a module that waits can not be required": "workerd's text is another",
};

export default {
  async "each kind is what an import of it reads"(env, t) {
    const imports = `import js from "./lib/a.js"; import cjs from "./b.cjs"; import text from "./c.txt";
      import data from "d.bin"; import json from "./e.json"; import wasm from "./f.wasm";`;
    const expression = `[js, cjs, text, data instanceof ArrayBuffer, [...new Uint8Array(data)], json,
      wasm instanceof WebAssembly.Module, (await WebAssembly.instantiate(wasm)).exports.add(2, 3)]`;
    const modules = {
      "lib/a.js": { js: "import b from '../b.cjs'; export default 'js ' + b.n;" },
      "b.cjs": { cjs: "module.exports = { n: 1 };" },
      "c.txt": { text: "t\u00e9xt" },
      "d.bin": { data: new Uint8Array([0, 255, 10]).buffer },
      "e.json": { json: { b: [1], a: null } },
      "f.wasm": { wasm: ADD_WASM },
    };
    t.deepEqual(await shown(env, imports, expression, modules), [
      "js 1",
      { n: 1 },
      "t\u00e9xt",
      true,
      [0, 255, 10],
      { b: [1], a: null },
      true,
      5,
    ]);
  },

  async "CommonJS modules require each other and all other kinds"(env, t) {
    const modules = {
      "a.cjs": {
        cjs: `exports.b = require("./b.cjs").b; exports.text = require("./t.txt");
          exports.json = require("./j.json"); exports.esm = require("./m.js");
          exports.is = [typeof require, typeof module, module.exports === exports];`,
      },
      "b.cjs": { cjs: "exports.b = require('./c.cjs');" },
      "c.cjs": { cjs: "module.exports = 'c';" },
      "t.txt": { text: "text" },
      "j.json": { json: [1] },
      "m.js": "export default { d: 1 }; export const n = 2;",
    };
    t.deepEqual(await shown(env, `import a from "./a.cjs";`, "a", modules), {
      b: "c",
      text: "text",
      json: [1],
      esm: { d: 1 },
      is: ["function", "object", true],
    });
  },

  async "a CommonJS module runs once, also in a circle"(env, t) {
    const modules = {
      "a.cjs": {
        cjs: `globalThis.runs = (globalThis.runs ?? 0) + 1; exports.early = 1;
          exports.b = require("./b.cjs"); exports.late = 2;`,
      },
      "b.cjs": { cjs: "exports.seen = Object.keys(require('./a.cjs'));" },
    };
    const imports = `import a from "./a.cjs"; import * as again from "./a.cjs";`;
    const expression = "[a, again.default === a, globalThis.runs]";
    const a = { early: 1, b: { seen: ["early"] }, late: 2 };
    t.deepEqual(await shown(env, imports, expression, modules), [a, true, 1]);
  },

  async "require works later too, and says what is not there"(env, t) {
    const modules = {
      "a.cjs": {
        cjs: `exports.late = () => require("./b.cjs");
          exports.none = () => { try { return require("./none"); } catch (e) { return String(e); } };`,
      },
      "b.cjs": { cjs: "module.exports = 5;" },
    };
    const [late, none] = await shown(env, `import a from "./a.cjs";`, "[a.late(), a.none()]", modules);
    t.equal(late, 5);
    t.ok(none.includes("No such module"), none);
  },

  async "a CommonJS module that throws is run again"(env, t) {
    const modules = {
      "a.cjs": {
        cjs: `exports.tries = () => [1, 2, 3].map(() => {
            try { return require("./b.cjs"); } catch (e) { return e.message; }
          });`,
      },
      "b.cjs": {
        cjs: `globalThis.tried = (globalThis.tried ?? 0) + 1;
          if (globalThis.tried < 3) throw new Error("try " + globalThis.tried);
          module.exports = globalThis.tried;`,
      },
    };
    const tries = await shown(env, `import a from "./a.cjs";`, "a.tries()", modules);
    t.deepEqual(tries, ["try 1", "try 2", 3]);
  },

  async "a module that is being evaluated can not be required"(env, t) {
    const modules = {
      "a.js": "import b from './b.cjs'; export default b;",
      "b.cjs": {
        cjs: "try { require('./a.js'); } catch (e) { module.exports = e.message; }",
      },
    };
    const message = await shown(env, `import a from "./a.js";`, "a", modules);
    t.ok(message.includes("in a cycle"), message);
  },

  async "a module that waits can not be required"(env, t) {
    const modules = {
      "a.cjs": { cjs: "try { require('./b.js'); } catch (e) { module.exports = e.message; }" },
      "b.js": "await new Promise(() => {}); export default 1;",
    };
    const message = await shown(env, `import a from "./a.cjs";`, "a", modules);
    t.ok(message.startsWith("Top-level await"), message);
  },

  async "a compiled module of WebAssembly is one too"(env, t) {
    // A worker may not compile at run time: it hands on what it was given.
    const inner = {
      "main.js": `import add from "./add.wasm";
        export default { fetch: async () =>
          new Response(String((await WebAssembly.instantiate(add)).exports.add(4, 5))) };`,
    };
    const expression = `await (async () => {
      const modules = { ...${JSON.stringify(inner)}, "add.wasm": { wasm: add } };
      return modules["add.wasm"].wasm instanceof WebAssembly.Module;
    })()`;
    const modules = { "add.wasm": { wasm: ADD_WASM } };
    t.equal(await shown(env, `import add from "./add.wasm";`, expression, modules), true);
  },

  async "bytes are copied when they are given"({ LOADER }, t) {
    const bytes = new Uint8Array([1, 2, 3]);
    const worker = LOADER.load({
      compatibilityDate: "2026-08-01",
      mainModule: "main.js",
      modules: {
        "main.js": `import data from "./d.bin";
          export default { fetch: () => Response.json([...new Uint8Array(data)]) };`,
        "d.bin": { data: bytes.buffer },
      },
    });
    bytes.fill(9);
    t.deepEqual(await (await worker.getEntrypoint().fetch("http://x/")).json(), [1, 2, 3]);
  },

  async "a module that imports itself or a cycle as it is evaluated has it afterwards"(env, t) {
    const imports = `
      export const before = [];
      import("./main.js").then((own) => before.push(typeof own.default.fetch));
      import("./a.js").then((a) => before.push(a.name));
      import("./c.cjs").then((c) => before.push(c.default.name));`;
    const modules = {
      "a.js": { js: `export let name = "a"; export const b = import("./b.js");` },
      "b.js": { js: `export const a = import("./a.js").then((a) => a.name); export const name = "b";` },
      "c.cjs": { cjs: `exports.self = import("./c.cjs"); exports.main = import("./main.js");
        exports.name = "c";` },
    };
    const expression = `(async () => {
      const a = await import("./a.js");
      const { default: c } = await import("./c.cjs");
      return [before.toSorted(), await (await a.b).a, (await c.self).default.name,
        typeof (await c.main).default.fetch];
    })()`;
    t.deepEqual(await shown(env, imports, expression, modules), [
      ["a", "c", "function"],
      "a",
      "c",
      "function",
    ]);
  },

  async "a module that waits for itself has itself"({ LOADER }, t) {
    for (const source of ["await import('./main.js');", "await import('./a.js');"]) {
      const worker = LOADER.load({
        compatibilityDate: "2026-08-01",
        mainModule: "main.js",
        modules: {
          "main.js": `${source} export default { fetch: () => new Response("started") };`,
          "a.js": "await import('./main.js');",
        },
      });
      const fetched = worker.getEntrypoint().fetch("http://x/").then((r) => r.text());
      t.equal(await fetched.catch((error) => String(error)), "started");
    }
  },

  async "a module that waits for itself later has itself too"(env, t) {
    const imports = "await 0; const own = await import('./main.js');";
    t.deepEqual(await shown(env, imports, "Object.keys(own)"), ["default"]);
  },

  async "one that imports what is being evaluated comes after that"(env, t) {
    const imports = `export class Made { static all = []; }
      const late = import("./late.js"); Made.all.push("main");`;
    const modules = {
      "late.js": "import { Made } from './main.js'; Made.all.push('late'); export default Made.all;",
    };
    t.deepEqual(await shown(env, imports, "(await late).default", modules), ["main", "late"]);
  },

  async "what waits for a cycle never starts, and says so"({ LOADER }, t) {
    const late = "import './main.js';";
    for (const [main, other] of [["", late], ["await 0;", late], ["await 0;", "await import('./main.js');"]]) {
      const worker = LOADER.load({
        compatibilityDate: "2026-08-01",
        mainModule: "main.js",
        modules: {
          "main.js": `${main} await import("./late.js"); export default { fetch() {} };`,
          "late.js": other,
        },
      });
      await t.rejects(worker.getEntrypoint().fetch("http://x/"), /top-level await/i);
    }
  },
};
