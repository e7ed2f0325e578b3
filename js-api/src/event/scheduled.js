// What a `scheduled` handler is given.

import { core } from "ext:core/mod.js";

const { op_door_no_retry } = core.ops;
const { defineProperties } = Object;

/** A time that the worker asked for has come. */
export class ScheduledController {
  #event;

  constructor(event, scheduledTime, cron) {
    this.#event = event;
    defineProperties(this, {
      cron: { value: cron, enumerable: true },
      scheduledTime: { value: scheduledTime, enumerable: true },
    });
  }

  /** Even if the handler fails, it is not to be run again for this time. */
  noRetry() {
    op_door_no_retry(this.#event.id);
  }
}
Object.defineProperty(ScheduledController.prototype, Symbol.toStringTag, {
  value: "ScheduledController",
  configurable: true,
});
