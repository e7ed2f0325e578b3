// A customer's code.

export default {
  async fetch(request, { CUSTOMER, NEWS, QUEUE, STORE }) {
    if (request.method === "POST") {
      await QUEUE.send({ words: await request.text() });
      return new Response("queued\n", { status: 202 });
    }
    const visits = Number(await STORE.get("visits") ?? 0) + 1;
    await STORE.put("visits", String(visits));
    const ticks = await STORE.get("ticks") ?? 0;
    const news = await NEWS.get("today") ?? "no news";
    const words = await STORE.get("words") ?? 0;
    return new Response(
      `${CUSTOMER}: visit ${visits}, ${ticks} ticks, ${words} words, ${news}\n`,
    );
  },

  async queue(batch, { STORE }) {
    let words = Number(await STORE.get("words") ?? 0);
    for (const { body } of batch.messages) words += body.words.split(" ").length;
    await STORE.put("words", String(words));
  },

  async scheduled(controller, { STORE }) {
    await STORE.put("ticks", String(Number(await STORE.get("ticks") ?? 0) + 1));
  },
};
