// The items of the shop as JSON. What this worker sees is the client's whole URL: a route says
// which requests come here, and takes nothing off their path.

export default {
  fetch(request, env) {
    const { pathname } = new URL(request.url);
    const [, id] = /^\/api\/items(?:\/(\d+))?$/.exec(pathname) ?? [pathname, null];
    if (id === null) {
      return Response.json({ error: `there is no ${pathname}` }, { status: 404 });
    }
    if (id === undefined) {
      return Response.json({ items: env.ITEMS });
    }
    const item = env.ITEMS.find((item) => item.id === Number(id));
    return item
      ? Response.json(item)
      : Response.json({ error: `there is no item ${id}` }, { status: 404 });
  },
};
