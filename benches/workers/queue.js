// Sends to a queue that it consumes itself. A message that names a place is told there on arrival.

const text = "m".repeat(100);
const hundred = Array.from({ length: 100 }, () => ({ body: text }));

export default {
  async fetch(request, { QUEUE }) {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/send") await QUEUE.send(text);
    if (pathname === "/batch") await QUEUE.sendBatch(hundred);
    if (pathname === "/tell") await QUEUE.send({ place: search.slice(1) });
    if (pathname === "/waiting") {
      const { backlogCount } = await QUEUE.metrics();
      return new Response(String(backlogCount));
    }
    return new Response("done\n");
  },

  async queue({ messages }, { ORIGIN }) {
    for (const { body } of messages) if (body.place) await fetch(`${ORIGIN}/${body.place}/0`);
  },
};
