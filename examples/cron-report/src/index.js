// Watches a page, and keeps a report of how it did.
//
// Every five minutes a cron asks for the page; once a day, at 7:00 UTC, another one sums up the day
// and logs it. The newest report is at /. What was seen is kept under the time that the cron was
// for: a run that happens twice writes the same key twice.

const DAILY = "0 7 * * *";
const DAY_S = 86_400;

export default {
  async fetch(request, env) {
    const report = await env.REPORTS.get("report");
    return new Response(report ?? "there is no report yet\n");
  },

  async scheduled(controller, env) {
    const at = controller.scheduledTime;
    if (controller.cron === DAILY) {
      const report = await sum(env, at);
      await env.REPORTS.put("report", report);
      console.log(report);
      return;
    }
    const began = performance.now();
    const response = await fetch(env.PAGE);
    await response.arrayBuffer();
    const metadata = { at, status: response.status, ms: performance.now() - began };
    await env.REPORTS.put(`look:${at}`, "", { metadata, expirationTtl: 2 * DAY_S });
    // The cron has failed, so it is run again a moment later.
    if (response.status >= 500) throw new Error(`${env.PAGE} answered ${response.status}`);
  },
};

async function sum(env, at) {
  const { keys } = await env.REPORTS.list({ prefix: "look:" });
  const day = keys.map((key) => key.metadata).filter((look) => look.at > at - DAY_S * 1000);
  const good = day.filter((look) => look.status < 500);
  const slowest = Math.max(0, ...day.map((look) => look.ms));
  return `${new Date(at).toISOString()}: ${good.length} of ${day.length} looks went well, ` +
    `the slowest took ${slowest.toFixed()} ms\n`;
}
