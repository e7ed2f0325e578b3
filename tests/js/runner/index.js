// The main module around a case file: names its cases, and runs one in each request.

import { WorkerEntrypoint } from "cloudflare:workers";
import cases, * as file from "./case.js";
import { t } from "./t.js";

function text(error) {
  if (!(error instanceof Error)) return `threw ${String(error)}`;
  return `${error.message}\n${error.stack}`;
}

/** What cases of a worker's own exports call. */
export class Own extends WorkerEntrypoint {
  fetch(request) {
    return new Response(`own ${new URL(request.url).pathname}`);
  }

  props() {
    return this.ctx.props;
  }

  text() {
    return this.env.TEXT;
  }

  async through() {
    return this.ctx.props.service.answer;
  }
}

export default {
  async fetch(request, env, ctx) {
    const name = new URL(request.url).searchParams.get("case");
    if (name === null) {
      return Response.json({ names: Object.keys(cases), differs: file.differs ?? {} });
    }
    try {
      await cases[name](env, t, { request, ctx });
    } catch (error) {
      return new Response(text(error), { status: 418 });
    }
    return new Response("passed");
  },
};
