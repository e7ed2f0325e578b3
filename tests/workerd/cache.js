// The service behind the caches of workerd, which has none of its own: it is asked for with GET,
// given responses as HTTP/1.1 text with PUT, and drops them with PURGE. It keeps whatever it is
// given: what may be kept, and what of it a request gets, is not decided in workerd.

const kept = new Map();

export default {
  async fetch(request) {
    const key = request.cf?.cacheKey ?? request.url;
    const place = JSON.stringify([request.headers.get("cf-cache-namespace"), key]);
    if (request.method === "PUT") {
      kept.set(place, await request.text());
      return new Response(null, { status: 204 });
    }
    if (request.method === "PURGE") {
      return new Response(null, { status: kept.delete(place) ? 200 : 404 });
    }
    const text = kept.get(place);
    if (text === undefined) {
      return new Response(null, { status: 504, headers: { "cf-cache-status": "MISS" } });
    }
    const end = text.indexOf("\r\n\r\n");
    const [first, ...lines] = text.slice(0, end).split("\r\n");
    const headers = new Headers({ "cf-cache-status": "HIT" });
    for (const line of lines) {
      const colon = line.indexOf(":");
      headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
    }
    // Not a body in chunks any more.
    headers.delete("transfer-encoding");
    const status = Number(first.split(" ")[1]);
    return new Response(text.slice(end + 4), { status, headers });
  },
};
