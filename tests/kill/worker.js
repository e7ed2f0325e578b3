// What a server that is killed again and again runs: it writes, it sends, it takes what was sent,
// and it has a cron. Everything leaves a key behind that is read when all is over.

export default {
  async fetch(request, env) {
    const [, what, id] = new URL(request.url).pathname.split("/");
    if (what === "put") await env.LEDGER.put(`kept:${id}`, id);
    if (what === "send") await env.JOBS.send({ id, poison: id.endsWith("-poison") });
    if (what === "keys") return Response.json(await keys(env, `${id}:`));
    return new Response("durable");
  },

  async queue(batch, env) {
    for (const message of batch.messages) {
      const { id, poison } = message.body;
      if (poison && batch.queue === "jobs") {
        message.retry();
        continue;
      }
      await env.LEDGER.put(`${batch.queue}:${id}`, String(message.attempts));
      message.ack();
    }
  },

  async scheduled(controller, env) {
    await env.LEDGER.put(`cron:${controller.scheduledTime}`, controller.cron);
  },
};

/** The rest of every key that begins so. */
async function keys(env, prefix) {
  const found = [];
  for (let cursor; ; ) {
    const page = await env.LEDGER.list({ prefix, cursor });
    found.push(...page.keys.map(({ name }) => name.slice(prefix.length)));
    if (page.list_complete) return found;
    cursor = page.cursor;
  }
}
