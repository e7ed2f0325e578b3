// The one list of what stands for each kind of binding in `env`, by the host's names for them.

import { madeBy } from "ext:bindery/binding/held.js";
import { namespace, namespaces } from "ext:bindery/kv.js";
import { loaderOf } from "ext:bindery/loader/loader.js";
import { queue, queues } from "ext:bindery/queues.js";
import { fetcherOf } from "ext:bindery/rpc/fetcher.js";
import { ownStub, stubOf } from "ext:bindery/rpc/stub.js";

madeBy({
  __proto__: null,
  kv: namespace,
  dynamic_kv: namespaces,
  loader: loaderOf,
  dynamic_queue: queues,
  queue,
  service: fetcherOf,
  stub: stubOf,
  own: ownStub,
});
