// What stands behind a queue of workerd's: it takes everything, and tells what waits.

const metrics = { backlogCount: 1, backlogBytes: 5, oldestMessageTimestamp: 1000 };

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    // Whoever sends waits until it is read.
    await request.arrayBuffer();
    return Response.json(pathname === "/metrics" ? metrics : { metadata: { metrics } });
  },
};
