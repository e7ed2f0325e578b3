// Calls methods so many times, in the way that the path says, and answers when all are done.

import { RpcStub, RpcTarget } from "cloudflare:workers";

class Own extends RpcTarget {
  echo(value) {
    return value;
  }
}

const TOGETHER = 64;

const ways = {
  async nothing() {},

  async within(count) {
    using own = new RpcStub(new Own());
    for (let call = 0; call < count; call++) await own.echo(call);
  },

  async across(count, { CALLEE }) {
    for (let call = 0; call < count; call++) await CALLEE.echo(call);
  },

  async pipelined(count, { CALLEE }) {
    using counter = CALLEE.counter();
    await Promise.all(Array.from({ length: count }, () => counter.add(1)));
  },

  async together(count, { CALLEE }) {
    let left = count;
    const caller = async () => {
      while (left-- > 0) await CALLEE.echo(left);
    };
    await Promise.all(Array.from({ length: TOGETHER }, caller));
  },

  async fetch(count, { CALLEE }) {
    for (let call = 0; call < count; call++) await (await CALLEE.fetch("http://callee/")).text();
  },
};

export default {
  async fetch(request, env) {
    const [, way, count] = new URL(request.url).pathname.split("/");
    await ways[way](Number(count), env);
    return new Response("done\n");
  },
};
