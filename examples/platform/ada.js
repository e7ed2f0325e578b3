// A customer's code.

export default {
  async fetch(request, { CUSTOMER, NEWS, STORE }) {
    const visits = Number(await STORE.get("visits") ?? 0) + 1;
    await STORE.put("visits", String(visits));
    const ticks = await STORE.get("ticks") ?? 0;
    const news = await NEWS.get("today") ?? "no news";
    return new Response(`${CUSTOMER}: visit ${visits}, ${ticks} ticks, ${news}\n`);
  },

  async scheduled(controller, { STORE }) {
    await STORE.put("ticks", String(Number(await STORE.get("ticks") ?? 0) + 1));
  },
};
