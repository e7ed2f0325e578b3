// The response of a data: URL, which needs no network.

import { core } from "ext:core/mod.js";
import { responseOfBytes } from "ext:bindery/http/response.js";

const { atob } = core.loadExtScript("ext:deno_web/05_base64.js");
const { TypeError, Uint8Array } = globalThis;

const DEFAULT_TYPE = "text/plain;charset=US-ASCII";
const BASE64 = /;[ ]*base64$/i;

/** The bytes behind percent signs; everything else is ASCII in a URL. */
function unescaped(text) {
  const bytes = new Uint8Array(text.length);
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const hex = code === 37 && /^[0-9a-f]{2}$/i.test(text.slice(at + 1, at + 3));
    bytes[count++] = hex ? parseInt(text.slice(at + 1, at + 3), 16) : code;
    if (hex) at += 2;
  }
  return bytes.subarray(0, count);
}

/** The response of a data: URL. */
export function dataResponse(url) {
  const comma = url.indexOf(",");
  if (comma < 0) throw new TypeError(`Fetch API cannot load: ${url}`);
  let type = url.slice(5, comma).trim();
  let bytes = unescaped(url.slice(comma + 1));
  if (BASE64.test(type)) {
    type = type.replace(BASE64, "");
    let text;
    try {
      text = atob(core.decode(bytes));
    } catch {
      throw new TypeError(`Fetch API cannot load: ${url}`);
    }
    bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  }
  if (type.startsWith(";")) type = `text/plain${type}`;
  return responseOfBytes(url, type === "" ? DEFAULT_TYPE : type, bytes);
}
