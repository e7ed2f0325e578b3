//! Attempts to get out of the realm that a worker is given.

use serde_json::json;

use super::{EVIL, HELLO, handler};
use crate::host::{Host, Worker};

/// Each is an expression that has to be `undefined`, or to throw.
const CLOSED: &[&str] = &[
    "globalThis.Deno",
    "globalThis.__bootstrap",
    "globalThis.__bindery",
    "globalThis.process",
    "globalThis.require",
    "globalThis.SharedArrayBuffer",
    "globalThis.Worker",
    "globalThis.ShadowRealm",
    "globalThis[Symbol.for('Deno.core')]",
    "globalThis.constructor.constructor('return this')()",
    "Function('return this')()",
    "eval('globalThis')",
    "(0, eval)('this')",
    "(async () => {}).constructor('return 1')",
    "(function* () {}).constructor('return 1')",
    "new (Object.getPrototypeOf(Error).constructor)('return process')()",
    "await import('ext:core/ops')",
    "await import('ext:core/mod.js')",
    "await import('ext:bindery/door.js')",
    "await import('ext:deno_web/06_streams.js')",
    "await import('data:text/javascript,export default 1')",
    "await import('blob:x')",
    "await import('http://localhost/')",
    "await import('file:///etc/passwd')",
    "await import('/etc/passwd')",
    "await import('../../../../etc/passwd')",
    "await import('node:fs')",
    "await import('npm:x')",
    "await import({ toString() { throw new Error(); } })",
    "await WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))",
    "new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))",
    "new ExecutionContext()",
    "ctx.constructor.prototype.waitUntil.call({}, 1)",
    "Request.prototype.text.call({})",
    "Object.getOwnPropertyDescriptor(Request.prototype, 'headers').get.call(null).x.y",
    "new (Object.getPrototypeOf(Response))(Symbol('make'))",
    "await new Response.constructor('return this')()",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_expression_reaches_the_host_or_another_realm() {
    let host = Host::new().start().await;
    let cases: Vec<String> =
        CLOSED.iter().map(|text| format!("[{}, async () => ({text})]", json!(text))).collect();
    let body = format!(
        "const open = []; for (const [text, run] of [{}]) {{
           try {{ const value = await run();
             if (value !== undefined) open.push([text, String(value)]); }}
           catch {{}}
         }} return Response.json(open);",
        cases.join(",\n")
    );
    host.deploy(EVIL, &Worker::new(handler(&body))).await;
    assert_eq!(host.get(EVIL, "/").await.expect_status(200).json(), json!([]));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_names_no_script_of_ours_and_its_call_sites_give_nothing_away() {
    let host = Host::new().start().await;
    let body = "
      const seen = [];
      const look = (sites) => { for (const site of sites) {
        const self = site.getThis?.(), fn = site.getFunction?.();
        seen.push([String(site.getFileName()), typeof self, typeof fn, String(fn).includes('op_')]);
      } };
      Error.prepareStackTrace = (error, sites) => { look(sites); return 'x'; };
      const calls = [
        () => new Response(Symbol()), () => new Headers([[1]]), () => setTimeout(1),
        () => structuredClone(() => {}), () => new URL('x'), () => new Request(),
        () => atob('%'), () => crypto.getRandomValues(1), () => new Blob(1),
        () => new ReadableStream({ start() { new Error().stack; } }),
        () => [1].map(() => new Error().stack), () => JSON.parse('{', () => {}),
      ];
      for (const call of calls) try { call(); } catch (error) { error.stack; }
      await new Promise((resolve) => setTimeout(() => { new Error().stack; resolve(); }, 1));
      return Response.json(seen);";
    host.deploy(EVIL, &Worker::new(handler(body))).await;
    let seen = host.get(EVIL, "/").await.expect_status(200).json();
    for site in seen.as_array().expect("a list") {
        let ours = site[0].as_str().is_some_and(|file| file.starts_with("ext:"));
        let leaks = site[1] == "object" || site[2] == "function" || site[3] == true;
        assert!(!(ours && leaks), "a call site of ours gives itself away: {site}");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_arguments_are_errors_and_never_the_end_of_a_cordon() {
    let host = Host::new().start().await;
    let body = "
      const evil = [undefined, null, NaN, -1, 2 ** 53, 1n, Symbol(), '', '\\ud800', '\\0', [], {},
        () => {}, new Proxy({}, { get() { throw new Error('trap'); } }),
        new Proxy(function () {}, { apply() { throw 1; }, construct() { throw 1; } }),
        { valueOf() { throw new Error('valueOf'); } }, { toString() { return {}; } },
        { [Symbol.toPrimitive]() { return Symbol();
          } }, new Uint8Array(3), new DataView(new ArrayBuffer(2)),
        new ArrayBuffer(8, { maxByteLength: 64 }), Object.create(null), globalThis, request, ctx,
        (() => { const b = new ArrayBuffer(8); const v = new Uint8Array(b); b.transfer();
          return v; })()];
      let count = 0;
      const names = Reflect.ownKeys(globalThis).filter((k) =>
        typeof k === 'string' && k !== 'self' && k !== 'globalThis');
      for (const name of names) {
        const target = globalThis[name];
        if (typeof target !== 'function') continue;
        for (const a of evil) for (const b of [undefined, evil[13], evil[17], evil[25]]) {
          try { await Promise.race([target(a, b), null]); } catch { count++; }
          try { await Promise.race([new target(a, b), null]); } catch { count++; }
        }
        for (const key of Reflect.ownKeys(target.prototype ?? {})) for (const self of evil) {
          // That one ends the event, as it is meant to.
          if (target === ExecutionContext && key === 'abort') continue;
          try { const f = target.prototype[key];
            if (typeof f === 'function') f.call(self, self, evil[13]); }
          catch { count++; }
        }
      }
      const subtle = crypto.subtle;
      for (const key of Reflect.ownKeys(Object.getPrototypeOf(subtle))) for (const a of evil) {
        try { await Promise.race([subtle[key](a, a, a, a, a), null]); } catch { count++; }
      }
      return Response.json(count > 1000);";
    let worker = Worker::new(handler(body)).limits(json!({ "cpu_ms": 20_000 }));
    host.deploy(EVIL, &worker).await;
    assert_eq!(host.get(EVIL, "/").await.expect_status(200).json(), true);
    assert_eq!(host.cordon_death_count(), 0);
    host.deploy("other", &Worker::new(HELLO)).await;
    host.get("other", "/").await.expect_status(200);
    host.shutdown().await;
}
