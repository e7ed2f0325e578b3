// A platform: it keeps its customers' code, runs it, and knows what each has used.
//
//   PUT /customers/NAME          the code: one module
//   GET /customers/NAME/usage    what it has used
//   *   /NAME/...                a request to it

import { customerCode, customerTriggers } from "./customer.js";
import { usageOf } from "./meter.js";

export { Meter } from "./meter.js";

const NAME = /^[a-z0-9-]{1,40}$/;

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const [, first, second, third] = url.pathname.split("/");
    if (first === "customers") return administer(request, env, second ?? "", third);
    return run(request, env, first);
  },
};

async function administer(request, env, name, what) {
  if (request.headers.get("authorization") !== `Bearer ${env.TOKEN}`) {
    return new Response("who are you?\n", { status: 401 });
  }
  if (!NAME.test(name)) return new Response("no such name\n", { status: 400 });
  if (request.method === "PUT" && what === undefined) {
    return put(env, name, await request.text());
  }
  if (request.method === "GET" && what === "usage") {
    return Response.json(await usageOf(env, name));
  }
  return new Response("nothing here\n", { status: 404 });
}

// Registered, the code also runs when nobody is calling. It is kept if it starts.
async function put(env, name, source) {
  const version = await digest(source);
  try {
    await env.LOADER.register(name, customerCode(env, name, source), customerTriggers(name));
  } catch (error) {
    return new Response(`${error.message}\n`, { status: 422 });
  }
  await env.CODE.put(name, source, { metadata: { version } });
  return Response.json({ name, version }, { status: 201 });
}

async function run(request, env, name) {
  const { value: source, metadata } = NAME.test(name)
    ? await env.CODE.getWithMetadata(name)
    : { value: null };
  if (source === null) return new Response("no such customer\n", { status: 404 });
  // Another version is another worker: what serves requests finishes them.
  const worker = env.LOADER.get(`${name}@${metadata.version}`, () =>
    customerCode(env, name, source));
  try {
    return await worker.getEntrypoint().fetch(request);
  } catch (error) {
    console.error(name, error.message);
    return new Response("the customer's code failed\n", { status: 502 });
  }
}

async function digest(text) {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(bytes, 0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
