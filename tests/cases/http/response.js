// Responses: what may be said in one, and what is refused.

export default {
  async "a response says 200 and nothing else by default"(env, t) {
    const response = new Response();
    t.equal(response.status, 200);
    t.equal(response.statusText, "");
    t.equal(response.ok, true);
    t.equal(response.type, "default");
    t.equal(response.url, "");
    t.equal(response.redirected, false);
    t.equal(response.body, null);
    t.equal(response.bodyUsed, false);
    t.equal(response.webSocket, null);
    t.equal(response.cf, undefined);
    t.deepEqual([...response.headers], []);
  },

  "the status is from 200 to 599"(env, t) {
    for (const [given, status] of [[200, 200], [599, 599], ["201", 201], [204.7, 204]]) {
      t.equal(new Response(null, { status: given }).status, status);
    }
    for (const status of [0, 99, 100, 101, 199, 600, 1000, -1, NaN, null, "x"]) {
      t.throws(() => new Response(null, { status }), RangeError);
    }
    t.throws(() => new Response(null, { status: 101 }), /in the range 200 to 599, inclusive/);
  },

  "ok is a status of the two hundreds"(env, t) {
    t.ok(new Response(null, { status: 299 }).ok);
    t.ok(!new Response(null, { status: 300 }).ok);
  },

  "a status without a body takes none"(env, t) {
    for (const status of [204, 205, 304]) {
      t.equal(new Response(null, { status }).body, null);
      t.equal(new Response("", { status }).status, status);
      t.throws(() => new Response("x", { status }), /null body status/);
    }
  },

  "the status text is kept, and stays on its line"(env, t) {
    t.equal(new Response(null, { statusText: "Hey" }).statusText, "Hey");
    t.throws(() => new Response(null, { statusText: "a\nb" }), /Invalid statusText/);
  },

  "init may be a response"(env, t) {
    const init = new Response("b", { status: 201, statusText: "q", headers: { a: "b" } });
    const response = new Response("a", init);
    t.equal(response.status, 201);
    t.equal(response.statusText, "q");
    t.equal(response.headers.get("a"), "b");
    response.headers.set("a", "c");
    t.equal(init.headers.get("a"), "b");
  },

  "init is an object"(env, t) {
    t.throws(() => new Response(null, 5), TypeError);
    t.throws(() => new Response(null, "x"), TypeError);
    t.equal(new Response(null, undefined).status, 200);
    t.equal(new Response(null, { status: undefined, headers: undefined }).status, 200);
  },

  "headers are copied and may be changed"(env, t) {
    const headers = new Headers({ a: "1" });
    const response = new Response("x", { headers });
    headers.set("a", "2");
    t.equal(response.headers.get("a"), "1");
    response.headers.append("set-cookie", "a=1");
    response.headers.append("set-cookie", "b=2");
    response.headers.delete("content-type");
    t.deepEqual([...response.headers], [["a", "1"], ["set-cookie", "a=1"], ["set-cookie", "b=2"]]);
    t.equal(response.headers, response.headers);
    t.throws(() => new Response(null, { headers: null }), TypeError);
    t.throws(() => new Response(null, { headers: { "a b": "c" } }), /Invalid header name/);
  },

  async "json makes JSON"(env, t) {
    const response = Response.json({ a: [1, null] });
    t.equal(response.status, 200);
    t.deepEqual([...response.headers], [["content-type", "application/json"]]);
    t.equal(await response.text(), '{"a":[1,null]}');
    const other = Response.json(1, { status: 201, headers: { "content-type": "x/y", b: "c" } });
    t.equal(other.status, 201);
    t.deepEqual([...other.headers], [["b", "c"], ["content-type", "x/y"]]);
    const third = Response.json(1, { status: 202 });
    t.deepEqual([...third.headers], [["content-type", "application/json"]]);
    third.headers.set("a", "b");
    t.equal(third.headers.get("a"), "b");
  },

  "json refuses what is not JSON"(env, t) {
    const ring = {};
    ring.ring = ring;
    t.throws(() => Response.json(ring), TypeError);
    t.throws(() => Response.json(1n), TypeError);
    t.throws(() => Response.json(), TypeError);
    t.throws(() => Response.json(1, { status: 204 }), /null body status/);
  },

  "redirect names a place, and can not be changed"(env, t) {
    const response = Response.redirect("http://x.y/z");
    t.equal(response.status, 302);
    t.equal(response.headers.get("location"), "http://x.y/z");
    t.equal(response.body, null);
    t.throws(() => response.headers.set("a", "b"), /Can't modify immutable headers/);
    t.equal(Response.redirect("http://x.y", 301).headers.get("location"), "http://x.y/");
    t.throws(() => Response.redirect("/z"), /Unable to parse URL/);
    t.throws(() => Response.redirect("http://x.y/", 200), /not a redirect status code/);
  },

  "an error has no status"(env, t) {
    const response = Response.error();
    t.equal(response.type, "error");
    t.equal(response.status, 0);
    t.equal(response.ok, false);
    t.equal(response.body, null);
  },

  async "a copy says the same"(env, t) {
    const init = { status: 201, statusText: "s", headers: { a: "b" }, cf: { c: 1 } };
    const response = new Response("x", init);
    const copy = response.clone();
    copy.headers.set("a", "c");
    t.equal(copy.status, 201);
    t.equal(copy.statusText, "s");
    t.deepEqual(copy.cf, { c: 1 });
    t.equal(response.headers.get("a"), "b");
    t.equal(await response.text() + await copy.text(), "xx");
    t.equal(new Response(null, { status: 204 }).clone().body, null);
  },

  "cf is a copy of what was given"(env, t) {
    const cf = { a: { b: 1 } };
    const response = new Response(null, { cf });
    cf.a.b = 2;
    t.deepEqual(response.cf, { a: { b: 1 } });
  },

  "encodeBody is automatic or manual"(env, t) {
    t.equal(new Response("x", { encodeBody: "manual" }).status, 200);
    t.equal(new Response("x", { encodeBody: "automatic" }).status, 200);
    t.throws(() => new Response("x", { encodeBody: "bad" }), /encodeBody: unexpected value: bad/);
  },

  "webSocket may be null"(env, t) {
    t.equal(new Response(null, { webSocket: null }).webSocket, null);
  },

  async "a class may extend Response"(env, t) {
    class Page extends Response {
      constructor(text) {
        super(`<p>${text}`, { headers: { "content-type": "text/html" } });
      }
    }
    const page = new Page("x");
    t.ok(page instanceof Page && page instanceof Response);
    t.equal(await page.text(), "<p>x");
  },

  "what it says can not be assigned"(env, t) {
    const response = new Response();
    t.throws(() => {
      response.status = 404;
    }, TypeError);
    t.throws(() => Response("x"), TypeError);
    t.equal(Object.prototype.toString.call(response), "[object Response]");
    t.equal(Object.keys(response).length, 0);
  },
};
