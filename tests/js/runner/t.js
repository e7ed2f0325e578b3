// What a case says it expects.

function fail(message) {
  throw new Error(message);
}

function shown(value) {
  try {
    if (typeof value === "object" || typeof value === "string") return JSON.stringify(value);
    return String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

function same(a, b) {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b) || ArrayBuffer.isView(a) !== ArrayBuffer.isView(b)) {
    return false;
  }
  if (a instanceof Map || a instanceof Set) return same([...a], [...b]);
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

// A regular expression for the text of what was thrown, or its class.
function check(error, wanted) {
  if (wanted === undefined) return;
  if (wanted instanceof RegExp) {
    if (!wanted.test(String(error))) fail(`threw ${String(error)}, not ${wanted}`);
  } else if (!(error instanceof wanted)) {
    fail(`threw ${String(error)}, not ${wanted.name}`);
  }
}

export const t = {
  /** Both are the same value. */
  equal(is, wanted) {
    if (!Object.is(is, wanted)) fail(`${shown(is)} is not ${shown(wanted)}`);
  },

  /** Both have the same own, enumerable content. */
  deepEqual(is, wanted) {
    if (!same(is, wanted)) fail(`${shown(is)} is not ${shown(wanted)}`);
  },

  /** The value is true or like it. */
  ok(value, what = "") {
    if (!value) fail(`not ok: ${shown(value)} ${what}`);
  },

  /** The function throws; gives what it threw. */
  throws(call, wanted) {
    try {
      call();
    } catch (error) {
      check(error, wanted);
      return error;
    }
    fail("did not throw");
  },

  /** The promise rejects; gives the reason. */
  async rejects(promise, wanted) {
    try {
      await (typeof promise === "function" ? promise() : promise);
    } catch (error) {
      check(error, wanted);
      return error;
    }
    fail("did not reject");
  },
};
