// Requests, responses, headers, streams and blobs in values.
//
// A body that is a short text goes in the table; any other is a body of the host's, which moves as
// those of `fetch` do: by credit, and not at all if it is only passed on. Who sends one has used it
// up.

import { core } from "ext:core/mod.js";
import {
  Body,
  extract,
  found,
  HOST,
  MAKE,
  NONE,
  sendParts,
  STREAM,
  streamUnder,
  STRING,
} from "ext:bindery/http/body.js";
import { flatOf, Headers, headersFromFlat, MUTABLE } from "ext:bindery/http/headers.js";
import { streamOfBytes } from "ext:bindery/http/host_body.js";
import { Request, requestFromParts, requestParts } from "ext:bindery/http/request.js";
import { Response, responseFromParts, responseParts } from "ext:bindery/http/response.js";
import { RpcTarget } from "ext:bindery/rpc/resolve.js";
import { disposeOf } from "ext:bindery/rpc/stub.js";
import { BODY, CALLED, cannot, EXPORT, special } from "ext:bindery/rpc/value.js";

const { Blob, File } = core.loadExtScript("ext:deno_web/09_file.js");
const { AbortSignal } = core.loadExtScript("ext:deno_web/03_abort_signal.js");
const { ReadableStream, WritableStream, WritableStreamDefaultWriter } = core.loadExtScript(
  "ext:deno_web/06_streams.js",
);

const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const getWriter = uncurry(WritableStream.prototype.getWriter);
const { abort, close, write } = WritableStreamDefaultWriter.prototype;
const abortWriter = uncurry(abort);
const closeWriter = uncurry(close);
const writeTo = uncurry(write);

/** Characters of a text that goes in the table. */
const TEXT_MAX = 32 << 10;

/** How a body goes with a value: null for none, a text, or its place with its length. */
function bodyInto(writer, kind, body, length) {
  if (kind === NONE) return null;
  if (kind === STRING && body.length <= TEXT_MAX) return body.toWellFormed();
  if (kind === STREAM || kind === HOST) return [writer.attach(BODY, body, kind, length)];
  const bytes = kind === STRING ? core.encode(body) : body;
  return [writer.attach(BODY, streamOfBytes(bytes), STREAM, bytes.length)];
}

/** The kind and the data of a body that has come. */
function bodyFrom(told, reader) {
  if (told === null) return [NONE, null];
  if (typeof told === "string") return [STRING, told];
  const given = reader.at(told[0]);
  return given.here === undefined ? [HOST, given] : [STREAM, given.here];
}

function onlyCalled(writer, name) {
  if (writer.use !== CALLED) throw cannot(`${name} can only be serialized for RPC.`);
}

special("headers", {
  is: (value) => value instanceof Headers,
  write: (headers) => [flatOf(headers)],
  read: ([, flat]) => headersFromFlat(flat, MUTABLE),
});

special("request", {
  is: (value) => value instanceof Request,
  write(request, writer) {
    const { method, url, headers, follow, kind, body, length } = requestParts(request);
    if (kind !== NONE) onlyCalled(writer, "A Request with a body");
    return [method, url, headers, follow, bodyInto(writer, kind, body, length)];
  },
  read([, method, url, headers, follow, body], reader) {
    return requestFromParts({ method, url, headers, follow }, ...bodyFrom(body, reader));
  },
});

special("response", {
  is: (value) => value instanceof Response,
  write(response, writer) {
    const { status, statusText, headers, kind, body, length } = responseParts(response);
    if (kind !== NONE) onlyCalled(writer, "A Response with a body");
    return [status, statusText, headers, bodyInto(writer, kind, body, length)];
  },
  read([, status, statusText, headers, body], reader) {
    return responseFromParts({ status, statusText, headers }, ...bodyFrom(body, reader));
  },
});

special("readable", {
  is: (value) => value instanceof ReadableStream,
  write(stream, writer) {
    onlyCalled(writer, "ReadableStream");
    const parts = { body: null, length: -1 };
    const kind = sendParts(new Body(MAKE, extract(stream), found.data), parts);
    return [bodyInto(writer, kind, parts.body, parts.length)];
  },
  read([, body], reader) {
    const [kind, data] = bodyFrom(body, reader);
    if (kind === STREAM) return data;
    return kind === HOST ? streamUnder(kind, data) : streamOfBytes(core.encode(data ?? ""));
  },
});

/** Writes to a stream for somebody elsewhere. */
class Sink extends RpcTarget {
  #writer;

  constructor(stream) {
    super();
    this.#writer = getWriter(stream);
  }

  write(chunk) {
    return writeTo(this.#writer, chunk);
  }

  close() {
    return closeWriter(this.#writer);
  }

  abort(reason) {
    return abortWriter(this.#writer, reason);
  }
}

special("writable", {
  is: (value) => value instanceof WritableStream,
  write(stream, writer) {
    onlyCalled(writer, "WritableStream");
    return [writer.attach(EXPORT, new Sink(stream), 0, stream)];
  },
  read([, place], reader) {
    const sink = reader.keep(place);
    return new WritableStream({
      write: (chunk) => sink.write(chunk),
      close: () => sink.close().finally(() => disposeOf(sink)),
      abort: (reason) => sink.abort(reason).finally(() => disposeOf(sink)),
    });
  },
});

special("blob", {
  is: (value) => value instanceof Blob,
  write(blob, writer) {
    onlyCalled(writer, "Blob");
    const { size, type } = blob;
    const parts = { body: null, length: -1 };
    const kind = sendParts(new Body(MAKE, extract(blob), found.data), parts);
    const name = typeof blob.name === "string" ? [blob.name, blob.lastModified] : null;
    return [type, size, name, bodyInto(writer, kind, parts.body, size)];
  },
  // Its bytes are there by then: they were waited for.
  read([, type, , name, body], reader) {
    const parts = typeof body === "string" ? body : body === null ? "" : reader.at(body[0]);
    if (name === null) return new Blob([parts], { __proto__: null, type });
    return new File([parts], name[0], { __proto__: null, type, lastModified: name[1] });
  },
  whole: ([, , , , body]) => body?.[0],
});

special("signal", {
  is: (value) => value instanceof AbortSignal,
  write() {
    throw cannot("AbortSignal serialization is not enabled.");
  },
});
