// What customers use: a row for each event, which is added up when somebody asks.

import { env, WorkerEntrypoint } from "cloudflare:workers";

// `platform/ada@1f2e3d4c` of a request, `platform/ada` of a message or a cron.
const SCRIPT = /^platform\/([a-z0-9-]+)(?:@|$)/;

/** Is told of every event of a customer's code when it has ended. */
export class Meter extends WorkerEntrypoint {
  async tail(items) {
    for (const { scriptName, outcome, cpuTime, eventTimestamp } of items) {
      const [, name] = SCRIPT.exec(scriptName) ?? [];
      if (name === undefined) continue;
      await env.METERS.put(`${name}/${eventTimestamp}-${crypto.randomUUID()}`, "", {
        metadata: { outcome, cpuTime },
      });
    }
  }
}

/** What a customer has used so far. */
export async function usageOf({ METERS }, name) {
  const usage = { events: 0, failures: 0, cpuMs: 0 };
  let cursor;
  do {
    const page = await METERS.list({ prefix: `${name}/`, cursor });
    for (const { metadata } of page.keys) {
      usage.events++;
      if (metadata.outcome !== "ok") usage.failures++;
      usage.cpuMs += metadata.cpuTime;
    }
    cursor = page.list_complete ? undefined : page.cursor;
  } while (cursor !== undefined);
  return usage;
}
