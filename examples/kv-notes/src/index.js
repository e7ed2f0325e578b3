// Notes under names of their own, kept in a namespace.

const PAGE = 20;

const failed = (status, error) => Response.json({ error }, { status });

/** Notes by name, page by page, with what is known of each. */
async function list(url, { NOTES }) {
  const { searchParams } = url;
  const page = await NOTES.list({
    prefix: searchParams.get("prefix"),
    cursor: searchParams.get("cursor"),
    limit: PAGE,
  });
  const notes = page.keys.map(({ name, expiration, metadata }) => ({
    name,
    type: metadata.type,
    written: metadata.written,
    expires: expiration === undefined ? null : new Date(expiration * 1000).toISOString(),
  }));
  return Response.json({ notes, cursor: page.cursor ?? null });
}

/** The note goes from the namespace to the client without being read here. */
async function show(name, { NOTES }) {
  const { value, metadata } = await NOTES.getWithMetadata(name, "stream");
  if (value === null) return failed(404, `there is no note "${name}"`);
  return new Response(value, {
    headers: { "content-type": metadata.type, "last-modified": metadata.written },
  });
}

/** And from the client to the namespace as it comes. It is durable when the answer is sent. */
async function write(name, request, url, { NOTES }) {
  const type = request.headers.get("content-type") ?? "text/plain;charset=UTF-8";
  const ttl = url.searchParams.get("ttl");
  const options = { metadata: { type, written: new Date().toUTCString() } };
  if (ttl !== null) options.expirationTtl = Number(ttl);
  try {
    await NOTES.put(name, request.body ?? "", options);
  } catch (error) {
    return failed(400, error.message);
  }
  return new Response(null, { status: 204 });
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/notes" && request.method === "GET") return list(url, env);
    const [, name] = url.pathname.match(/^\/notes\/(.+)$/) ?? [];
    if (name === undefined) return failed(404, "nothing is here but /notes");
    const note = decodeURIComponent(name);
    switch (request.method) {
      case "GET":
        return show(note, env);
      case "PUT":
        return write(note, request, url, env);
      case "DELETE":
        await env.NOTES.delete(note);
        return new Response(null, { status: 204 });
      default:
        return failed(405, `${request.method} is nothing that a note knows`);
    }
  },
};
