// A reverse proxy: every request goes on to `ORIGIN`, and the response comes back with other headers.
//
// Bodies are only passed on, both ways: however long they are, no byte of them enters the worker.

export default {
  async fetch(request, { ORIGIN }) {
    const here = new URL(request.url);
    const there = new URL(here.pathname + here.search, ORIGIN);
    let response;
    try {
      // Redirects are the client's to follow.
      response = await fetch(new Request(there, request), { redirect: "manual" });
    } catch (error) {
      console.error(`${there}: ${error}`);
      return new Response("The origin does not answer.\n", { status: 502 });
    }
    // The headers of a response that was fetched can not be changed; those of a new one can.
    const proxied = new Response(response.body, response);
    const { headers } = proxied;
    headers.set("via", "1.1 bindery");
    headers.delete("server");
    if (headers.get("content-type")?.startsWith("text/html")) {
      headers.set("referrer-policy", "no-referrer");
      headers.set("x-content-type-options", "nosniff");
    }
    const location = headers.get("location");
    if (location !== null) headers.set("location", moved(location, there, here));
    return proxied;
  },
};

/** Where a redirect of the origin leads: to this proxy, if it stays at the origin. */
function moved(location, there, here) {
  const to = new URL(location, there);
  return to.origin === there.origin ? here.origin + to.pathname + to.search + to.hash : location;
}
