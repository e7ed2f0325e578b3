// What stands behind a queue of workerd's: it takes everything, and tells what waits.

const metrics = { backlogCount: 1, backlogBytes: 5, oldestMessageTimestamp: 1000 };

export default {
  fetch(request) {
    const { pathname } = new URL(request.url);
    return Response.json(pathname === "/metrics" ? metrics : { metadata: { metrics } });
  },
};
