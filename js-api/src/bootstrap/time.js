// Time stands still between completions: every way to read a clock reads the host's.

import { core } from "ext:core/mod.js";

const { op_door_now, op_door_monotonic } = core.ops;
const RealDate = Date;
const { construct } = Reflect;

const now = () => op_door_now();

function FrozenDate(...args) {
  if (new.target === undefined) return new RealDate(now()).toString();
  if (args.length === 0) return construct(RealDate, [now()], new.target);
  return construct(RealDate, args, new.target);
}

function freezeDate() {
  const statics = {
    now: { value: { now }.now, writable: true, configurable: true },
    parse: { value: RealDate.parse, writable: true, configurable: true },
    UTC: { value: RealDate.UTC, writable: true, configurable: true },
    name: { value: "Date", configurable: true },
    length: { value: 7, configurable: true },
    prototype: { value: RealDate.prototype, writable: false, enumerable: false },
  };
  Object.defineProperties(FrozenDate, statics);
  Object.defineProperty(RealDate.prototype, "constructor", {
    value: FrozenDate,
    writable: true,
    configurable: true,
  });
  Object.defineProperty(globalThis, "Date", {
    value: FrozenDate,
    writable: true,
    configurable: true,
  });
}

// A formatter without a date formats the present.
function freezeIntl() {
  const prototype = Intl.DateTimeFormat.prototype;
  const format = Object.getOwnPropertyDescriptor(prototype, "format");
  const bound = new WeakMap();
  Object.defineProperty(prototype, "format", {
    configurable: true,
    get() {
      let own = bound.get(this);
      if (own === undefined) {
        const real = format.get.call(this);
        own = (date) => real(date === undefined ? now() : date);
        bound.set(this, own);
      }
      return own;
    },
  });
  const { formatToParts } = prototype;
  Object.defineProperty(prototype, "formatToParts", {
    configurable: true,
    writable: true,
    value: {
      formatToParts(date) {
        return formatToParts.call(this, date === undefined ? now() : date);
      },
    }.formatToParts,
  });
}

/** Freezes the classes that are not in a snapshot: called in each isolate. */
export function freezeTemporal() {
  if (typeof Temporal === "undefined") return;
  const Real = Temporal.Now;
  const { Instant } = Temporal;
  const instant = () => Instant.fromEpochMilliseconds(Math.trunc(now()));
  const zoned = (zone = Real.timeZoneId()) => instant().toZonedDateTimeISO(zone);
  const frozen = {
    instant,
    zonedDateTimeISO: (zone) => zoned(zone),
    plainDateTimeISO: (zone) => zoned(zone).toPlainDateTime(),
    plainDateISO: (zone) => zoned(zone).toPlainDate(),
    plainTimeISO: (zone) => zoned(zone).toPlainTime(),
  };
  for (const name of Object.keys(frozen)) {
    Object.defineProperty(Real, name, { value: frozen[name], writable: true, configurable: true });
  }
}

// `performance` with the two members that workers have, and no more.
class Performance {
  get timeOrigin() {
    return 0;
  }

  now() {
    return op_door_monotonic();
  }

  toJSON() {
    return { timeOrigin: this.timeOrigin };
  }
}

freezeDate();
freezeIntl();

export const performance = new Performance();
export { Performance };
