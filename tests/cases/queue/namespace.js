// Queues by names that the worker makes up.

const cases = {
  async "a queue is made on first use, and each name is its own"({ QUEUES }, t) {
    const [one, two] = ["one", "two"].map((name) => QUEUES.get(name));
    await one.sendBatch([{ body: 1 }, { body: 2 }]);
    t.equal((await one.metrics()).backlogCount, 2);
    t.equal((await QUEUES.get("one").metrics()).backlogCount, 2);
    const empty = await two.metrics();
    t.deepEqual(empty, { backlogCount: 0, backlogBytes: 0 });
  },

  async "names that look alike are different queues"({ QUEUES }, t) {
    const names = ["\u00e9", "e\u0301", "a/b", "a", "a\0", "..", "A", " ", "__proto__"];
    for (const name of names) {
      await QUEUES.get(name).send(name);
      t.equal((await QUEUES.get(name).metrics()).backlogCount, 1);
    }
  },

  "a name is a string without half characters"({ QUEUES }, t) {
    t.throws(() => QUEUES.get(), /^TypeError: The name of a queue must be a string$/);
    t.throws(() => QUEUES.get(5), TypeError);
    t.throws(() => QUEUES.get("a\ud800"), /half of a surrogate pair/);
    QUEUES.get("\u{1f600}");
  },

  async "a name has 1 to 256 bytes, which the first call says"({ QUEUES }, t) {
    for (const name of ["", "x".repeat(257), "\u00e9".repeat(129)]) {
      const error = await t.rejects(QUEUES.get(name).send(1), /is not the name of a namespace/);
      t.ok(error.message.startsWith("Queue send failed: "), error.message);
    }
    await QUEUES.get("x".repeat(256)).send(1);
  },

  "options are known by name and type"({ QUEUES }, t) {
    t.throws(() => QUEUES.get("x", { maxRetry: 1 }), /^TypeError: Unknown option of a queue: maxRetry$/);
    t.throws(() => QUEUES.get("x", { maxRetries: "1" }), /maxRetries of a queue must be a number/);
    t.throws(() => QUEUES.get("x", { maxRetries: NaN }), /maxRetries of a queue must be a number/);
    t.throws(() => QUEUES.get("x", { deadLetterQueue: 1 }), /deadLetterQueue of a queue must be a s/);
    t.throws(() => QUEUES.get("x", { consumer: 5 }), /^TypeError: The consumer of a queue must be/);
    t.throws(() => QUEUES.get("x", { consumer: { service: 5 } }), TypeError);
    t.throws(() => QUEUES.get("x", "main"), TypeError);
    QUEUES.get("x", {});
    QUEUES.get("x", { consumer: "main", maxRetries: undefined });
  },

  async "options out of their range are refused by the first call, which sends nothing"(
    { QUEUES },
    t,
  ) {
    for (const [options, wanted] of [
      [{ maxBatchSize: 0 }, "maxBatchSize must be a number from 1 to 100"],
      [{ maxBatchTimeout: 61 }, "maxBatchTimeout must be a number from 0 to 60"],
      [{ maxRetries: 101 }, "maxRetries must be a number from 0 to 100"],
      [{ retryDelay: 86_401 }, "retryDelay must be a number from 0 to 86400"],
      [{ maxConcurrency: 251 }, "maxConcurrency must be a number from 1 to 250"],
      [{ messageRetentionPeriod: 59 }, "messageRetentionPeriod must be a number from 60 to 1209600"],
      [{ deadLetterQueue: "wrong" }, "the queue `wrong` can not take its own dead letters"],
    ]) {
      await t.rejects(QUEUES.get("wrong", options).send(1), new RegExp(wanted));
    }
    t.equal((await QUEUES.get("wrong").metrics()).backlogCount, 0);
  },
};

export default cases;

const reason = "workerd has no queues by name";
export const differs = Object.fromEntries(Object.keys(cases).map((name) => [name, reason]));
