// Code made at run time: strings while modules are evaluated only, WebAssembly from modules only.

const WASM = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
const AsyncFunction = (async () => {}).constructor;
const GeneratorFunction = (function* () {}).constructor;

export const differs = {
  "eval of what is no string gives it back": "workerd refuses that too, unlike the standard",
};

const tries = {
  eval: () => eval("1 + 1"),
  "indirect eval": () => (0, eval)("1 + 1"),
  Function: () => new Function("return 2")(),
  "Function by way of a constructor": () => (() => {}).constructor("return 2")(),
};
const atStart = Object.entries(tries).map(([name, run]) => {
  try {
    return [name, run()];
  } catch (error) {
    return [name, String(error)];
  }
});
const module = new WebAssembly.Module(WASM);
const keptFunction = new Function("return this");

export default {
  "code from strings was allowed at the start"(env, t) {
    t.deepEqual(atStart, Object.keys(tries).map((name) => [name, 2]));
    t.equal(keptFunction(), globalThis);
  },

  "code from strings is refused in a handler"(env, t) {
    for (const [name, run] of Object.entries(tries)) {
      const error = t.throws(run, EvalError);
      t.equal(error.message, "Code generation from strings disallowed for this context", name);
    }
    t.throws(() => new AsyncFunction("return 1"), EvalError);
    t.throws(() => new GeneratorFunction("return 1"), EvalError);
  },

  async "so it is after a wait, and in a timer"(env, t) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    t.throws(() => eval("1"), EvalError);
    const error = await new Promise((resolve) => {
      setTimeout(() => {
        try {
          resolve(eval("1"));
        } catch (error) {
          resolve(error);
        }
      }, 1);
    });
    t.ok(error instanceof EvalError);
  },

  "eval of what is no string gives it back"(env, t) {
    const value = {};
    t.equal(eval(value), value);
  },

  "a timer takes no string"(env, t) {
    t.throws(() => setTimeout("globalThis.x = 1", 0), TypeError);
  },

  "WebAssembly from bytes is refused in a handler"(env, t) {
    const error = t.throws(() => new WebAssembly.Module(WASM), WebAssembly.CompileError);
    t.equal(error.message, "WebAssembly.Module(): Wasm code generation disallowed by embedder");
  },

  async "so it is for the ways that wait"(env, t) {
    const error = await t.rejects(WebAssembly.compile(WASM), WebAssembly.CompileError);
    t.equal(error.message, "WebAssembly.compile(): Wasm code generation disallowed by embedder");
    await t.rejects(WebAssembly.instantiate(WASM), WebAssembly.CompileError);
  },

  async "an instance of a module is allowed"(env, t) {
    t.ok(new WebAssembly.Instance(module) instanceof WebAssembly.Instance);
    t.ok(await WebAssembly.instantiate(module) instanceof WebAssembly.Instance);
    t.deepEqual(WebAssembly.Module.exports(module), []);
  },

  "WebAssembly can be looked at"(env, t) {
    t.equal(WebAssembly.validate(WASM), true);
    t.equal(WebAssembly.validate(new Uint8Array(3)), false);
  },

  "nothing is compiled from a stream"(env, t) {
    t.equal(typeof WebAssembly.compileStreaming, "undefined");
    t.equal(typeof WebAssembly.instantiateStreaming, "undefined");
  },

  "WebAssembly has memory, tables and globals"(env, t) {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 2 });
    t.equal(memory.grow(1), 1);
    t.throws(() => memory.grow(1), RangeError);
    t.equal(new WebAssembly.Table({ initial: 2, element: "anyfunc" }).length, 2);
    t.equal(new WebAssembly.Global({ value: "i32", mutable: true }, 5).value, 5);
  },

  "deep recursion is a RangeError"(env, t) {
    const recurse = () => recurse() + 1;
    t.throws(recurse, RangeError);
  },
};
