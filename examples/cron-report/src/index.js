// Watches a page, and keeps a report of how it did.
//
// Every five minutes a cron asks for the page; once a day, at 7:00 UTC, another one sums up what
// was seen and logs it. The newest report is at /. What was seen is kept for as long as this
// version of the worker stays in memory.

const DAILY = "0 7 * * *";
const KEPT = 288;

const seen = [];
let report = "nothing was looked at yet\n";

export default {
  fetch() {
    return new Response(report, { headers: { "content-type": "text/plain" } });
  },

  async scheduled(controller, env) {
    if (controller.cron === DAILY) {
      report = sum(controller.scheduledTime);
      console.log(report);
      return;
    }
    const began = performance.now();
    const response = await fetch(env.PAGE);
    await response.arrayBuffer();
    seen.push({ at: controller.scheduledTime, status: response.status, ms: performance.now() - began });
    seen.splice(0, seen.length - KEPT);
    // The cron has failed, so it is run again a moment later.
    if (response.status >= 500) throw new Error(`${env.PAGE} answered ${response.status}`);
  },
};

function sum(at) {
  const day = seen.filter((one) => one.at > at - 86_400_000);
  const good = day.filter((one) => one.status < 500);
  const slowest = Math.max(0, ...day.map((one) => one.ms));
  return `${new Date(at).toISOString()}: ${good.length} of ${day.length} looks went well, ` +
    `the slowest took ${slowest.toFixed()} ms\n`;
}
