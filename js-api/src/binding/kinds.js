// What stands for each kind of binding in `env`.

import { hold } from "ext:bindery/binding/held.js";
import { namespace, namespaces } from "ext:bindery/kv.js";
import { loaderOf } from "ext:bindery/loader/loader.js";
import { queue, queues } from "ext:bindery/queues.js";
import { fetcherOf } from "ext:bindery/rpc/fetcher.js";

const { Error } = globalThis;

// By the names that the host has for them.
const KINDS = {
  __proto__: null,
  kv: namespace,
  dynamic_kv: namespaces,
  loader: loaderOf,
  dynamic_queue: queues,
  queue,
  service: fetcherOf,
};

/** Makes what stands for a binding: called by the host too, before the modules are evaluated. */
export function bind(kind, slot) {
  const type = KINDS[kind];
  if (type === undefined) throw new Error(`bindings of kind ${kind} are not supported yet`);
  return hold(type(slot), kind, slot);
}
