// Time stands still while code runs: every way to ask for it gives the same.

const atStart = { date: Date.now(), text: new Date().getTime(), random: Math.random() };

function spin() {
  let sum = 0;
  for (let at = 0; at < 2e7; at++) sum += at % 7;
  return sum;
}

const after = (delay) => new Promise((resolve) => setTimeout(resolve, delay));

const MOVES = "workerd itself lets time move; Cloudflare does not";
export const differs = {
  "dates stand still while code runs": MOVES,
  "performance stands still while code runs": MOVES,
  "every clock of Temporal stands still": MOVES,
  "a promise does not move time": MOVES,
};

export default {
  "at the start it is 1970, and randomness is allowed"(env, t) {
    t.equal(atStart.date, 0);
    t.equal(atStart.text, 0);
    t.ok(atStart.random >= 0 && atStart.random < 1);
  },

  "in an event it is now"(env, t) {
    t.ok(Date.now() > Date.UTC(2026, 0));
    t.ok(new Date().getFullYear() >= 2026);
    t.ok(Math.abs(new Date() - Date.now()) < 1000);
    t.ok(Number.isInteger(Date.now()));
  },

  "dates stand still while code runs"(env, t) {
    const before = [
      Date.now(),
      new Date().getTime(),
      Date(),
      new Intl.DateTimeFormat("en", { timeStyle: "full" }).format(),
    ];
    spin();
    const then = [
      Date.now(),
      new Date().getTime(),
      Date(),
      new Intl.DateTimeFormat("en", { timeStyle: "full" }).format(),
    ];
    t.deepEqual(before, then);
    t.equal(new (class extends Date {})().getTime(), before[0]);
    t.equal(Reflect.construct(Date, []).getTime(), before[0]);
    t.equal(new new Date().constructor().getTime(), before[0]);
    t.equal(new Date(undefined).getTime(), NaN);
  },

  "performance stands still while code runs"(env, t) {
    const before = performance.now();
    spin();
    t.equal(performance.now(), before);
    t.equal(new Event("x").timeStamp, new Event("x").timeStamp);
    const first = new Event("x").timeStamp;
    spin();
    t.equal(new Event("x").timeStamp, first);
  },

  "every clock of Temporal stands still"(env, t) {
    if (typeof Temporal === "undefined") return;
    const read = () =>
      [
        Temporal.Now.instant(),
        Temporal.Now.zonedDateTimeISO(),
        Temporal.Now.plainDateTimeISO(),
        Temporal.Now.plainDateISO(),
        Temporal.Now.plainTimeISO(),
      ].map(String);
    const before = read();
    spin();
    t.deepEqual(read(), before);
    t.equal(Temporal.Now.instant().epochMilliseconds, Date.now());
  },

  async "a promise does not move time"(env, t) {
    const before = Date.now();
    spin();
    await null;
    t.equal(Date.now(), before);
  },

  async "a timer moves time"(env, t) {
    const before = [Date.now(), performance.now()];
    await after(20);
    t.ok(Date.now() >= before[0] + 15);
    t.ok(performance.now() >= before[1] + 15);
  },

  "dates are otherwise as the language says"(env, t) {
    t.equal(Date.name, "Date");
    t.equal(Date.length, 7);
    t.equal(new Date(2020, 1, 29, 12).toISOString(), "2020-02-29T12:00:00.000Z");
    t.equal(Date.UTC(2020, 1), 1580515200000);
    t.equal(Date.parse("2020-01-01"), 1577836800000);
    t.equal(typeof Date(), "string");
    t.ok(new Date() instanceof Date);
    t.equal(new Date(5).constructor, Date);
    t.equal(Date.prototype.constructor, Date);
    t.equal(Object.prototype.toString.call(new Date()), "[object Date]");
    t.equal(structuredClone(new Date(5)).getTime(), 5);
    t.equal(structuredClone(new Date(5)) instanceof Date, true);
  },

  "formatters are otherwise as the language says"(env, t) {
    const format = new Intl.DateTimeFormat("en-US", { timeZone: "UTC" });
    t.equal(format.format(0), "1/1/1970");
    t.equal(format.format, format.format);
    t.deepEqual([0, 86400000].map(format.format), ["1/1/1970", "1/2/1970"]);
    t.equal(format.formatToParts(0)[0].value, "1");
    t.equal(typeof format.format(), "string");
  },
};
