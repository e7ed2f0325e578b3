// setTimeout and friends. The host keeps the clock; a timer belongs to the event that made it.

import { core } from "ext:core/mod.js";
import { requireEvent } from "ext:bindery/door.js";

const { getAsyncContext, setAsyncContext } = core;
const { op_door_timer_start, op_door_timer_cancel } = core.ops;
const { apply } = Reflect;

const timers = new Map();
let last = 0;

function start(callback, delay, args, repeats) {
  if (typeof callback !== "function") {
    throw new TypeError("The first argument of a timer must be a function.");
  }
  const event = requireEvent();
  const id = ++last;
  op_door_timer_start(id, event.id, +delay || 0, repeats);
  timers.set(id, { callback, args, repeats, event, context: getAsyncContext() });
  event.timers.add(id);
  return id;
}

function stop(id) {
  const timer = timers.get(+id);
  if (timer === undefined) return;
  forget(+id, timer);
  op_door_timer_cancel(+id);
}

function forget(id, timer) {
  timers.delete(id);
  timer.event.timers.delete(id);
}

export function setTimeout(callback, delay = 0, ...args) {
  return start(callback, delay, args, false);
}

export function setInterval(callback, delay = 0, ...args) {
  return start(callback, delay, args, true);
}

export function clearTimeout(id) {
  stop(id);
}

export function clearInterval(id) {
  stop(id);
}

/** A promise that resolves after a delay: `scheduler.wait`. */
export const scheduler = {
  __proto__: null,
  wait(delay, options) {
    return new Promise((resolve, reject) => {
      const signal = options?.signal;
      if (signal?.aborted) return reject(signal.reason);
      const id = setTimeout(resolve, delay);
      signal?.addEventListener("abort", () => {
        clearTimeout(id);
        reject(signal.reason);
      }, { once: true });
    });
  },
};

/** A timer is due: called by the host. */
export function timerFired(id) {
  const timer = timers.get(id);
  if (timer === undefined) return;
  if (!timer.repeats) forget(id, timer);
  setAsyncContext(timer.context);
  try {
    apply(timer.callback, globalThis, timer.args);
  } catch (error) {
    timer.event.report(error);
  }
}

/** Forgets the timers of an event that has ended: the host has dropped them already. */
export function dropTimers(event) {
  for (const id of event.timers) timers.delete(id);
  event.timers.clear();
}

