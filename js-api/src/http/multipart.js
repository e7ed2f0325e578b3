// The two forms in which a FormData travels: multipart/form-data and urlencoded fields.
//
// Reading is one pass over the bytes, with a bound on the headers of a part.

import { core } from "ext:core/mod.js";
import { FormData, formList } from "ext:bindery/http/form_data.js";

const { Blob, File } = core.loadExtScript("ext:deno_web/09_file.js");
const { parseUrlEncoded } = core.loadExtScript("ext:deno_web/00_url.js");

const { TypeError, Uint8Array } = globalThis;
const { max } = Math;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const indexOfByte = uncurry(Uint8Array.prototype.indexOf);
const subarray = uncurry(Uint8Array.prototype.subarray);

const LF = 10;
const CR = 13;
const DASH = 45;
/** A part whose headers are longer than this is refused. */
const PART_HEADER_BYTES_MAX = 16 << 10;

const escaped = (name) =>
  name.replace(/[\r\n"]/g, (c) => c === "\r" ? "%0D" : c === "\n" ? "%0A" : "%22");

const unescaped = (name) =>
  name.replace(/%0D|%0A|%22/gi, (c) => c === "%22" ? '"' : /D/i.test(c) ? "\r" : "\n");

/** A form as the text of a multipart body, or as a Blob if it holds files. */
export function encodeMultipart(form, boundary) {
  const list = formList(form);
  const parts = [];
  let files = false;
  let text = "";
  for (let i = 0; i < list.length; i += 2) {
    const value = list[i + 1];
    text += `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(list[i])}"`;
    if (typeof value === "string") {
      text += `\r\n\r\n${value}\r\n`;
      continue;
    }
    files = true;
    text += `; filename="${escaped(value.name)}"\r\nContent-Type: ` +
      `${value.type || "application/octet-stream"}\r\n\r\n`;
    parts[parts.length] = text;
    parts[parts.length] = value;
    text = "\r\n";
  }
  text += `--${boundary}--\r\n`;
  if (!files) return text;
  parts[parts.length] = text;
  return new Blob(parts);
}

/** The bytes of a body as a form, by its content type. */
export function parseForm(bytes, type) {
  if (type === null) {
    throw new TypeError("Parsing a Body as FormData requires a Content-Type header.");
  }
  const essence = type.split(";", 1)[0].trim().toLowerCase();
  if (essence === "multipart/form-data") return parseMultipart(bytes, boundaryOf(type));
  if (essence === "application/x-www-form-urlencoded") return parseFields(bytes);
  throw new TypeError(
    "Unrecognized Content-Type header value. FormData can only parse the following MIME types:" +
      " multipart/form-data, application/x-www-form-urlencoded",
  );
}

function parseFields(bytes) {
  const form = new FormData();
  const list = formList(form);
  const pairs = parseUrlEncoded(bytes);
  for (let i = 0; i < pairs.length; i++) {
    list[list.length] = pairs[i][0];
    list[list.length] = pairs[i][1];
  }
  return form;
}

function boundaryOf(type) {
  const found = /;\s*boundary=(?:"([^"]*)"|([^;\s"]*))/i.exec(type);
  const boundary = found === null ? "" : found[1] ?? found[2];
  if (boundary === "") {
    throw new TypeError(
      "No boundary string in Content-Type header. The multipart/form-data MIME type requires a" +
        " boundary parameter, e.g. 'Content-Type: multipart/form-data; boundary=\"abcd\"'. See" +
        " RFC 7578, section 4.",
    );
  }
  return core.encode("--" + boundary);
}

function startsAt(bytes, at, mark) {
  if (at + mark.length > bytes.length) return false;
  for (let i = 0; i < mark.length; i++) if (bytes[at + i] !== mark[i]) return false;
  return true;
}

/** Where the mark stands at the beginning of a line, looking for a line feed from there on. */
function nextMark(bytes, from, mark) {
  for (let at = from;;) {
    const feed = indexOfByte(bytes, LF, at);
    if (feed < 0) return -1;
    at = feed + 1;
    if (startsAt(bytes, at, mark)) return at;
  }
}

function parseMultipart(bytes, mark) {
  const form = new FormData();
  let at = startsAt(bytes, 0, mark) ? 0 : nextMark(bytes, 0, mark);
  if (at < 0) {
    throw new TypeError("No initial boundary string (or you have a truncated message).");
  }
  for (;;) {
    at += mark.length;
    if (bytes[at] === DASH && bytes[at + 1] === DASH) return form;
    const headers = afterMark(bytes, at);
    const body = afterHeaders(bytes, headers);
    // The line feed before the body counts: an empty body may have none of its own.
    const next = nextMark(bytes, body - 1, mark);
    if (next < 0) throw new TypeError("No subsequent boundary string after multipart message.");
    let end = max(next - 1, body);
    if (end > body && bytes[end - 1] === CR) end -= 1;
    addPart(form, core.decode(subarray(bytes, headers, body)), subarray(bytes, body, end));
    at = next;
  }
}

function afterMark(bytes, at) {
  if (bytes[at] === LF) return at + 1;
  if (bytes[at] === CR && bytes[at + 1] === LF) return at + 2;
  throw new TypeError("Boundary string was not succeeded by CRLF, LF, or '--'.");
}

/** Where the empty line ends that ends the headers. */
function afterHeaders(bytes, from) {
  for (let at = from; at - from <= PART_HEADER_BYTES_MAX;) {
    if (bytes[at] === LF) return at + 1;
    if (bytes[at] === CR && bytes[at + 1] === LF) return at + 2;
    const feed = indexOfByte(bytes, LF, at);
    if (feed < 0) break;
    at = feed + 1;
  }
  throw new TypeError("No multipart message header termination found.");
}

function addPart(form, headers, bytes) {
  const disposition = /^content-disposition:[ \t]*([^;\r\n]*)(.*)/im.exec(headers);
  if (disposition === null) {
    throw new TypeError("No valid Content-Disposition header found in FormData part.");
  }
  if (disposition[1].trim().toLowerCase() !== "form-data") {
    throw new TypeError(
      'Content-Disposition header for FormData part must have the value "form-data", possibly' +
        ` followed by parameters. Got: "${disposition[1].trim()}"`,
    );
  }
  const name = parameter(disposition[2], "name");
  if (name === null) {
    throw new TypeError("Content-Disposition header in FormData part is missing a name.");
  }
  const filename = parameter(disposition[2], "filename");
  const list = formList(form);
  list[list.length] = name;
  list[list.length] = filename === null || filename === ""
    ? core.decode(bytes)
    : new File([bytes], filename, { __proto__: null, type: typeOf(headers) });
}

function typeOf(headers) {
  const found = /^content-type:[ \t]*([^\r\n]*)/im.exec(headers);
  return found === null ? "" : found[1].trim();
}

/** A quoted parameter, or null. */
function parameter(text, name) {
  const quoted = /;[ \t]*([^=;\s]+)[ \t]*=[ \t]*"((?:\\.|[^"\\])*)"/g;
  for (let found; (found = quoted.exec(text)) !== null;) {
    if (found[1].toLowerCase() === name) return unescaped(found[2]);
  }
  return null;
}
