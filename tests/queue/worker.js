// Sends what a request's body says, and tells the log what it is given as a consumer. What becomes of
// a message, its body says, if it is an object with `then`.

const kinds = {
  map: () => new Map([["a", new Date(5)]]),
  bytes: () => new Uint8Array([1, 2, 255]),
};

function shown(body) {
  if (body instanceof Map) return { map: [...body].map(([key, date]) => [key, date.getTime()]) };
  if (ArrayBuffer.isView(body)) return { bytes: [...body] };
  return typeof body === "string" && body.length > 1_000 ? { length: body.length } : body;
}

export default {
  async fetch(request, env) {
    const { queue, options, messages, metrics, one, ...rest } = await request.json();
    const handle = queue === undefined ? env.QUEUE : env.QUEUES.get(queue, options);
    try {
      if (metrics) return Response.json(await handle.metrics());
      if (one !== undefined) return Response.json(await handle.send(one, rest));
      const all = messages.map(({ made, ...message }) =>
        made === undefined ? message : { ...message, body: kinds[made]() },
      );
      return Response.json(await handle.sendBatch(all, rest));
    } catch (error) {
      return Response.json({ error: String(error) });
    }
  },

  async queue(batch, env, ctx) {
    const messages = batch.messages.map(({ id, timestamp, attempts, body }) => {
      return { id, at: timestamp.getTime(), attempts, body: shown(body) };
    });
    const { queue, metadata } = batch;
    console.log(`batch ${JSON.stringify({ queue, messages, metadata })}`);
    for (const message of batch.messages) {
      const { then, delaySeconds, all } = message.body ?? {};
      if (then === "ack") message.ack();
      if (then === "retry") message.retry(delaySeconds === undefined ? undefined : { delaySeconds });
      if (all === "ack") batch.ackAll();
      if (all === "retry") batch.retryAll({ delaySeconds });
      if (then === "wait") await scheduler.wait(message.body.ms);
      if (then === "forever") await new Promise((resolve) => setTimeout(resolve, 600_000));
      if (then === "kill") "x".repeat(2 ** 28).split("");
    }
    const throws = batch.messages.find(({ body }) => body?.then === "throw");
    if (throws !== undefined) throw new Error("on purpose");
  },
};

export class Other {
  queue(batch) {
    const messages = batch.messages.map(({ id, attempts, body }) => ({ id, attempts, body }));
    console.log(`batch ${JSON.stringify({ export: "Other", queue: batch.queue, messages })}`);
  }
}
