// Transform streams that pass bytes on as they are, one of which promises how many.

import { core } from "ext:core/mod.js";
import { chunkBytes, setLength } from "ext:bindery/http/body.js";

const { configureInterface } = core.loadExtScript("ext:deno_webidl/00_webidl.js");
const { TransformStream } = core.loadExtScript("ext:deno_web/06_streams.js");

const { BigInt, Number, TypeError } = globalThis;
const readableOf = Function.prototype.call.bind(
  Object.getOwnPropertyDescriptor(TransformStream.prototype, "readable").get,
);

/** Only for FixedLengthStream: the transformer to use instead. */
const MAKE = Symbol("make");

function bytesOf(chunk) {
  if (typeof chunk === "string") return core.encode(chunk);
  try {
    return chunkBytes(chunk);
  } catch {
    throw new TypeError(
      "This TransformStream is being used as a byte stream, but received an object of" +
        " non-ArrayBuffer/ArrayBufferView type on its writable side.",
    );
  }
}

const passOn = {
  __proto__: null,
  transform(chunk, controller) {
    controller.enqueue(bytesOf(chunk));
  },
};

export class IdentityTransformStream extends TransformStream {
  constructor(strategy = undefined, transformer = undefined) {
    super(strategy === MAKE ? transformer : passOn);
  }
}
configureInterface(IdentityTransformStream);

/** A length in bytes, as a number. */
function lengthOf(value) {
  if (typeof value !== "bigint" && !Number.isInteger(value = Number(value))) {
    throw new TypeError("The value cannot be converted because it is not an integer.");
  }
  if (value < 0) {
    throw new TypeError(
      "The value cannot be converted because it is negative and this API expects a positive" +
        " bigint.",
    );
  }
  return Number(BigInt(value));
}

export class FixedLengthStream extends IdentityTransformStream {
  constructor(length, _strategy = undefined) {
    if (arguments.length === 0) {
      throw new TypeError(
        "Failed to construct 'FixedLengthStream': constructor parameter 1 is not of type 'bigint'.",
      );
    }
    const expected = lengthOf(length);
    let left = expected;
    super(MAKE, {
      __proto__: null,
      transform(chunk, controller) {
        const bytes = bytesOf(chunk);
        left -= bytes.length;
        if (left < 0) {
          throw new TypeError("Attempt to write too many bytes through a FixedLengthStream.");
        }
        controller.enqueue(bytes);
      },
      flush() {
        if (left === 0) return;
        throw new TypeError("FixedLengthStream did not see all expected bytes before close().");
      },
    });
    setLength(readableOf(this), expected);
  }
}
configureInterface(FixedLengthStream);
