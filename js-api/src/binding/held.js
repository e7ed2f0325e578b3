// What the objects that stand for bindings hold: the number of a slot, and what they may be used for
// by whoever they are handed to. Which class stands for which kind is told here by `kinds.js`, so that
// what reads and writes values needs none of the classes.

const { Error, WeakMap } = globalThis;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const get = uncurry(WeakMap.prototype.get);
const set = uncurry(WeakMap.prototype.set);

// The host's names for rights, by number.
export const ALL = 0;
export const READ = 1;
export const SEND = 2;

const held = new WeakMap();

/**
 * Notes that an object stands for what a slot holds, or for the part of it that has a name. `unfit`
 * says why it can not be handed on as it is now.
 */
export function hold(object, kind, slot, rights = ALL, part = undefined, unfit = undefined) {
  set(held, object, { __proto__: null, kind, slot, rights, part, unfit });
  return object;
}

/** Lets an object be handed on that could not be. */
export function nowFit(object) {
  get(held, object).unfit = undefined;
}

/** `{ kind, slot, rights, part, unfit }` of an object that stands for a binding, or undefined. */
export function heldBy(object) {
  return get(held, object);
}

// What makes the objects, by the names that the host has for kinds.
let makers = { __proto__: null };

/** Says what makes the objects of each kind, of a slot: once, while the snapshot is made. */
export function madeBy(kinds) {
  makers = kinds;
}

/** Makes what stands for a binding: called by the host too, before the modules are evaluated. */
export function bind(kind, slot) {
  const make = makers[kind];
  if (make === undefined) throw new Error(`bindings of kind ${kind} are not supported yet`);
  const object = make(slot);
  // A stub is disposed of, and knows by itself whether it still holds something.
  return kind === "stub" || kind === "own" ? object : hold(object, kind, slot);
}
