// setTimeout, setInterval, their ends, and scheduler.wait.

const after = (delay) => new Promise((resolve) => setTimeout(resolve, delay));

export default {
  async "a timer calls back with its arguments"(env, t) {
    const args = await new Promise((resolve) => {
      setTimeout((...args) => resolve(args), 1, "a", 2, null);
    });
    t.deepEqual(args, ["a", 2, null]);
  },

  async "timers of one delay fire in order, shorter ones first"(env, t) {
    const fired = [];
    setTimeout(() => fired.push("c"), 20);
    setTimeout(() => fired.push("a"), 0);
    setTimeout(() => fired.push("b"), 0);
    await after(40);
    t.deepEqual(fired, ["a", "b", "c"]);
  },

  async "microtasks come before timers, and between two of them"(env, t) {
    const order = [];
    setTimeout(() => {
      order.push("first");
      queueMicrotask(() => order.push("its microtask"));
    }, 0);
    setTimeout(() => order.push("second"), 0);
    queueMicrotask(() => order.push("microtask"));
    await after(5);
    t.deepEqual(order, ["microtask", "first", "its microtask", "second"]);
  },

  async "a timer that is cleared does not fire"(env, t) {
    let fired = 0;
    const ids = [setTimeout(() => fired++, 1), setInterval(() => fired++, 1)];
    clearTimeout(ids[0]);
    clearInterval(ids[1]);
    await after(10);
    t.equal(fired, 0);
  },

  async "the two ways to clear are one"(env, t) {
    let fired = 0;
    clearInterval(setTimeout(() => fired++, 1));
    clearTimeout(setInterval(() => fired++, 1));
    await after(10);
    t.equal(fired, 0);
  },

  async "an interval fires again and again until it clears itself"(env, t) {
    let fired = 0;
    await new Promise((resolve) => {
      const id = setInterval(() => {
        if (++fired < 3) return;
        clearInterval(id);
        resolve();
      }, 1);
    });
    await after(10);
    t.equal(fired, 3);
  },

  "clearing what is no timer does nothing"(env, t) {
    clearTimeout(undefined);
    clearTimeout(null);
    clearTimeout(123456789);
    clearInterval(-1);
    clearInterval(0);
  },

  "an id is a number above zero and never used twice"(env, t) {
    const a = setTimeout(() => {}, 1000),
      b = setTimeout(() => {}, 1000);
    t.equal(typeof a, "number");
    t.ok(a > 0 && b > a);
    clearTimeout(a);
    const c = setTimeout(() => {}, 1000);
    t.ok(c > b);
    clearTimeout(b);
    clearTimeout(c);
  },

  async "a delay that is no number is none"(env, t) {
    let fired = 0;
    for (const delay of [undefined, null, NaN, -5, "x", "1", {}, 0.5]) {
      setTimeout(() => fired++, delay);
    }
    setTimeout(() => fired++);
    await after(20);
    t.equal(fired, 9);
  },

  "what is no function is refused"(env, t) {
    for (const callback of [undefined, null, 5, "code()", {}]) {
      t.throws(() => setTimeout(callback, 1), TypeError);
      t.throws(() => setInterval(callback, 1), TypeError);
    }
  },

  async "a callback that throws harms no other timer"(env, t) {
    let fired = 0;
    setTimeout(() => {
      throw new Error("expected");
    }, 1);
    setTimeout(() => fired++, 2);
    await after(10);
    t.equal(fired, 1);
  },

  async "a timer can be set in a timer"(env, t) {
    const depth = await new Promise((resolve) => {
      const next = (depth) => (depth === 20 ? resolve(depth) : setTimeout(next, 0, depth + 1));
      next(0);
    });
    t.equal(depth, 20);
  },

  async "a timer cleared by an earlier one of the same time does not fire"(env, t) {
    let fired = 0;
    let second;
    setTimeout(() => clearTimeout(second), 1);
    second = setTimeout(() => fired++, 1);
    await after(10);
    t.equal(fired, 0);
  },

  async "scheduler.wait resolves after its delay"(env, t) {
    t.equal(await scheduler.wait(1), undefined);
    t.equal(await scheduler.wait(0), undefined);
  },

  async "scheduler.wait ends with its signal"(env, t) {
    const controller = new AbortController();
    const waiting = scheduler.wait(100_000, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await t.rejects(waiting, /enough/);
    await t.rejects(
      scheduler.wait(1, { signal: AbortSignal.abort(new Error("before")) }),
      /before/,
    );
  },

  async "time moves on when a timer fires"(env, t) {
    const before = Date.now();
    await after(20);
    t.ok(Date.now() - before >= 15, Date.now() - before);
  },

  async "clearing can be forgotten: a long timer does not hold the response"() {
    setTimeout(() => {}, 1_000_000_000);
    setInterval(() => {}, 1_000_000_000);
  },

  async "many timers are no trouble"(env, t) {
    let fired = 0;
    for (let at = 0; at < 2000; at++) setTimeout(() => fired++, at % 7);
    await after(50);
    t.equal(fired, 2000);
  },
};
