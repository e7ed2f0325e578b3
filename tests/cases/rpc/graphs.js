// Random values go there and back.

import { RpcTarget } from "cloudflare:workers";

function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

class Target extends RpcTarget {
  #name;

  constructor(name) {
    super();
    this.#name = name;
  }

  name() {
    return this.#name;
  }
}

function value(next, depth, made) {
  const pick = Math.floor(next() * (depth > 0 ? 16 : 9));
  const inner = () => value(next, depth - 1, made);
  const many = () => Array.from({ length: Math.floor(next() * 4) }, inner);
  const keep = (object) => (made.push(object), object);
  switch (pick) {
    case 0: return Math.floor(next() * 1e9) - 5e8;
    case 1: return next();
    case 2: return String.fromCodePoint(...Array.from({ length: 5 }, () => Math.floor(next() * 0xd000)));
    case 3: return [true, false, null, undefined, -0, NaN, Infinity][Math.floor(next() * 7)];
    case 4: return BigInt(Math.floor(next() * 1e15)) * -3n;
    case 5: return new Date(Math.floor(next() * 1e12));
    case 6: return Uint8Array.from({ length: 5 }, () => next() * 256);
    case 7: return new Target(`t${Math.floor(next() * 1000)}`);
    case 8: return made.length > 0 ? made[Math.floor(next() * made.length)] : /x/g;
    case 9: case 10: return keep(many());
    case 11: return new Map(many().map((item, at) => [`k${at}`, item]));
    case 12: return new Set(many());
    case 13: return Object.assign(new RangeError("r"), { inner: inner() });
    default: {
      const object = keep({});
      for (const [at, item] of many().entries()) object[`p${at}`] = item;
      return object;
    }
  }
}

async function same(a, b, seen, path) {
  if (a instanceof Target) {
    const name = await b.name();
    if (name !== a.name()) throw new Error(`${path}: ${name} is not ${a.name()}`);
    return;
  }
  if (typeof a !== "object" || a === null) {
    if (!Object.is(a, b)) throw new Error(`${path}: ${String(b)} is not ${String(a)}`);
    return;
  }
  if (seen.has(a)) {
    if (seen.get(a) !== b) throw new Error(`${path}: another object`);
    return;
  }
  seen.set(a, b);
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) throw new Error(`${path}: another class`);
  const [one, other] = a instanceof Map || a instanceof Set ? [[...a], [...b]] : [a, b];
  if (a instanceof Date && a.getTime() !== b.getTime()) throw new Error(`${path}: another time`);
  const keys = Object.keys(one);
  if (String(keys) !== String(Object.keys(other).filter((key) => key !== "remote"))) {
    throw new Error(`${path}: ${Object.keys(other)} are not ${keys}`);
  }
  for (const key of keys) await same(one[key], other[key], seen, `${path}.${key}`);
}

export default {
  async "random values are the same there and back"({ METHODS }, t) {
    const start = Math.floor(Date.now() / 1000);
    for (let seed = start; seed < start + 60; seed++) {
      const sent = value(random(seed), 4, []);
      const back = await METHODS.echo(sent);
      await same(sent, back, new Map(), `seed ${seed}: value`);
      await back?.[Symbol.dispose]?.();
    }
    t.ok(true);
  },
};
