// Orders come in over HTTP and go through a pipeline of queues: checked, confirmed, and, for each shop,
// into a queue of its own that is made when the shop has its first order.

const json = (value, status = 200) => Response.json(value, { status });

export default {
  async fetch(request, env) {
    if (request.method !== "POST") return json({ error: "POST a list of orders" }, 405);
    const orders = await request.json();
    const { metadata } = await env.ORDERS.sendBatch(orders.map((body) => ({ body })));
    // The answer goes out when the orders are durable, and not before.
    return json({ taken: orders.length, waiting: metadata.metrics.backlogCount }, 202);
  },

  async queue(batch, env) {
    switch (batch.queue) {
      case "orders":
        return check(batch, env);
      case "receipts":
        return batch.messages.forEach(({ body }) => console.log(`receipt for ${body.item}`));
      case "orders-failed":
        return batch.messages.forEach(({ id, body }) => console.log(`failed: ${body.item}`, id));
    }
  },
};

// Each order for itself: one that is wrong does not hold up the others of its batch.
async function check(batch, env) {
  for (const message of batch.messages) {
    const order = message.body;
    if (!(order.count > 0)) {
      message.retry({ delaySeconds: message.attempts });
      continue;
    }
    await env.RECEIPTS.send({ item: order.item });
    const shop = env.SHOPS.get(`shop ${order.shop}`, {
      consumer: { entrypoint: "Shop" },
      maxBatchSize: 1,
    });
    await shop.send(order);
    message.ack();
  }
}

// Takes the messages of every shop's queue: whichever worker made the queue, however long ago.
export class Shop {
  queue(batch) {
    for (const { body } of batch.messages) {
      console.log(`${batch.queue}: ${body.count} of ${body.item}`);
    }
  }
}
