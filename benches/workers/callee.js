// What is called: a method, a counter that is handed out, and fetch.

import { RpcTarget, WorkerEntrypoint } from "cloudflare:workers";

class Counter extends RpcTarget {
  #count = 0;

  add(by) {
    return (this.#count += by);
  }
}

export default class extends WorkerEntrypoint {
  echo(value) {
    return value;
  }

  counter() {
    return new Counter();
  }

  fetch() {
    return new Response("hello\n");
  }
}
