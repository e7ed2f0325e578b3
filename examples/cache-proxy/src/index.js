// A cache in front of `ORIGIN`: what the origin lets it keep, it answers by itself. The header
// `cf-cache-status` says which it was: HIT, MISS, or BYPASS for what no cache answers.

export default {
  async fetch(request, { ORIGIN }, ctx) {
    const here = new URL(request.url);
    const there = new URL(here.pathname + here.search, ORIGIN);
    const cache = caches.default;
    if (request.method !== "GET") {
      const response = await ask(new Request(there, request));
      // What was done may have changed what is kept.
      if (response.ok && request.method !== "HEAD") ctx.waitUntil(cache.delete(there));
      return marked(response, "BYPASS");
    }
    // A hit honours `range`, `if-none-match` and `if-modified-since`, and says HIT itself.
    const kept = await cache.match(new Request(there, request));
    if (kept !== undefined) return kept;
    const response = await ask(new Request(there, { headers: whole(request.headers) }));
    // The response streams to the client and into the cache at once. Whether it is kept, and for
    // how long, its own headers say.
    if (mayBePut(response)) {
      const put = cache.put(new Request(there, { headers: request.headers }), response.clone());
      ctx.waitUntil(put.catch((error) => console.warn(`${there} is not kept: ${error}`)));
    }
    return marked(response, "MISS");
  },
};

async function ask(request) {
  try {
    // Redirects are the client's to follow.
    return await fetch(request, { redirect: "manual" });
  } catch (error) {
    console.error(`${request.url}: ${error}`);
    return new Response("The origin does not answer.\n", { status: 502 });
  }
}

/** The headers of a request for all of a response: a part of it could not be kept. */
function whole(headers) {
  const all = new Headers(headers);
  for (const name of ["range", "if-range", "if-none-match", "if-modified-since"]) all.delete(name);
  return all;
}

/** Whether it is a response that a cache takes. */
function mayBePut({ status, headers }) {
  return status !== 206 && status !== 304 && !/(^|,)\s*\*/.test(headers.get("vary") ?? "");
}

function marked(response, status) {
  // The headers of a response that was fetched can not be changed; those of a new one can.
  const own = new Response(response.body, response);
  own.headers.set("cf-cache-status", status);
  return own;
}
