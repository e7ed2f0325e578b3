// What stands for each kind of binding in `env`.

const { Error } = globalThis;

// By the names that the host has for them.
const KINDS = { __proto__: null };

/** Makes what stands for a binding: called by the host, before the modules are evaluated. */
export function bind(kind, slot) {
  const type = KINDS[kind];
  if (type === undefined) throw new Error(`bindings of kind ${kind} are not supported yet`);
  return type(slot);
}
