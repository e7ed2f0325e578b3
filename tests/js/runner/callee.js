// What the cases call, on whichever runtime: another worker of the same tenant.

import { WorkerEntrypoint } from "cloudflare:workers";

export class Named extends WorkerEntrypoint {
  async fetch(request) {
    const { method, url } = request;
    return Response.json({ method, url, body: await request.text(), props: this.ctx.props });
  }
}

// What this worker was told of others' events.
const told = [];

export default {
  tail(items) {
    told.push(...JSON.parse(JSON.stringify(items)));
  },

  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/redirect":
        return new Response(null, { status: 302, headers: { location: "/props" } });
      case "/throw":
        throw new RangeError("thrown");
      case "/told":
        return Response.json(told.splice(0));
      case "/bytes":
        return new Response(request.body);
      default:
        return Response.json({ props: ctx.props, path: url.pathname });
    }
  },
};
