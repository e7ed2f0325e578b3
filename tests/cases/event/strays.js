// Exceptions that nobody catches: events on the global object.

const seen = [];
const note = (event) => seen.push(event);
for (const type of ["unhandledrejection", "rejectionhandled", "error"]) {
  addEventListener(type, note);
}

// What is noted until nothing more comes.
async function during(run) {
  seen.length = 0;
  await run();
  await scheduler.wait(5);
  return [...seen];
}

export const differs = {
  "preventDefault keeps a rejection out of the log": "there the event can not be prevented",
};

export default {
  "the global object has its classes"(env, t) {
    t.equal(Object.prototype.toString.call(globalThis), "[object ServiceWorkerGlobalScope]");
    t.equal(Object.getPrototypeOf(globalThis), ServiceWorkerGlobalScope.prototype);
    t.equal(typeof WorkerGlobalScope, "function");
    t.throws(() => new ServiceWorkerGlobalScope(), TypeError);
    t.ok(!Object.hasOwn(globalThis, "addEventListener"));
    t.equal(typeof addEventListener, "function");
  },

  async "a rejection that nobody handles is an event"(env, t) {
    const reason = new Error("unhandled");
    let promise;
    const events = await during(() => void (promise = Promise.reject(reason)));
    t.equal(events.length, 1);
    const [event] = events;
    t.equal(event.type, "unhandledrejection");
    t.ok(event instanceof PromiseRejectionEvent);
    t.equal(event.promise, promise);
    t.equal(event.reason, reason);
    t.equal(event.target, globalThis);
  },

  async "a rejection that is handled later is another event"(env, t) {
    const events = await during(async () => {
      const promise = Promise.reject(new Error("late"));
      await scheduler.wait(5);
      promise.catch(() => {});
    });
    t.deepEqual(events.map(({ type }) => type), ["unhandledrejection", "rejectionhandled"]);
    t.equal(events[0].promise, events[1].promise);
  },

  async "a rejection that is handled in time is none"(env, t) {
    const events = await during(() => void Promise.reject(new Error("x")).catch(() => {}));
    t.equal(events.length, 0);
  },

  async "preventDefault keeps a rejection out of the log"(env, t) {
    addEventListener("unhandledrejection", (event) => event.preventDefault(), { once: true });
    const [event] = await during(() => void Promise.reject(new Error("prevented")));
    t.ok(event.defaultPrevented);
  },

  "a rejection event can not be made"(env, t) {
    t.throws(() => new PromiseRejectionEvent("x", { promise: Promise.resolve() }), TypeError);
  },

  async "reportError is an event with a position"(env, t) {
    const error = new RangeError("reported");
    const [event] = await during(() => reportError(error));
    t.equal(event.type, "error");
    t.ok(event instanceof ErrorEvent);
    t.equal(event.error, error);
    t.equal(event.message, "Uncaught RangeError: reported");
    t.ok(event.filename.endsWith("case.js"), event.filename);
    t.ok(event.lineno > 0 && event.colno > 0);
  },

  async "reportError takes any value, but takes one"(env, t) {
    const [event] = await during(() => reportError("text"));
    t.equal(event.error, "text");
    t.equal(event.message, "Uncaught text");
    t.throws(() => reportError(), /parameter 1 is not of type 'Value'/);
  },

  async "what a microtask throws is an event"(env, t) {
    const [event] = await during(() => queueMicrotask(() => {
      throw new Error("in a microtask");
    }));
    t.equal(event.message, "Uncaught Error: in a microtask");
  },

  "what a listener throws leaves dispatchEvent, each time"(env, t) {
    const target = new EventTarget();
    let last = false;
    target.addEventListener("x", () => {
      throw new RangeError("in a listener");
    });
    target.addEventListener("x", () => last = true);
    for (let count = 0; count < 3; count++) {
      t.throws(() => target.dispatchEvent(new Event("x")), /RangeError: in a listener/);
    }
    t.equal(last, false);
  },

  async "a listener of the global object is removed like any other"(env, t) {
    let count = 0;
    const listener = () => count++;
    addEventListener("own", listener);
    dispatchEvent(new Event("own"));
    globalThis.dispatchEvent(new Event("own"));
    removeEventListener("own", listener);
    dispatchEvent(new Event("own"));
    t.equal(count, 2);
  },

  "a stack names the worker's modules and nothing else"(env, t) {
    let stack;
    const stream = new ReadableStream({
      start() {
        stack = new Error("x").stack;
      },
    });
    t.ok(stream);
    t.ok(/^Error: x\n {4}at /.test(stack), stack);
    t.ok(!stack.includes("ext:") && !stack.includes("worker:"), stack);
  },
};
