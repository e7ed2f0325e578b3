//! How modules find each other, and what they are.

use crate::host::{Host, Worker};
use crate::js::ask;

/// A module that adds two numbers.
const ADD_WASM: &[u8] = &[
    0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100,
    100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11,
];

/// A worker that answers with what an expression gives.
fn showing(imports: &str, expression: &str) -> Worker {
    Worker::new(format!(
        "{imports}\nexport default {{ async fetch() {{ return new Response(String({expression})); }} }};"
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_module_can_be_imported() {
    let host = Host::new().start().await;
    let imports = "import text from './a.txt'; import data from './b.bin'; \
        import json from './c.json'; import wasm from './d.wasm'; import { e } from './e.js'; \
        import cjs from './f.cjs';";
    let expression = "[text, data instanceof ArrayBuffer, new Uint8Array(data).join('-'), \
        JSON.stringify(json), wasm instanceof WebAssembly.Module, \
        (await WebAssembly.instantiate(wasm)).exports.add(2, 3), e, cjs.f].join(' ')";
    let worker = showing(imports, expression)
        .module("a.txt", "text/plain", "t\u{e9}xt")
        .module("b.bin", "application/octet-stream", [0u8, 255, 10])
        .module("c.json", "application/json", r#"{"b":[1],"a":null}"#)
        .module("d.wasm", "application/wasm", ADD_WASM)
        .js("e.js", "export const e = import.meta.url !== undefined;")
        .module("f.cjs", "application/javascript", "exports.f = require('./g.cjs') + 1;")
        .module("g.cjs", "application/javascript", "module.exports = 1;");
    let text = ask(&host, "kinds", &worker).await;
    assert_eq!(text, "t\u{e9}xt true 0-255-10 {\"b\":[1],\"a\":null} true 5 true 2");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wasm_runs_and_can_be_instantiated_in_both_ways() {
    let host = Host::new().start().await;
    let expression = "[new WebAssembly.Instance(m).exports.add(40, 2), \
        (await WebAssembly.instantiate(m, {})).exports.add(1, 1), top.exports.add(4, 4)]";
    let imports = "import m from 'x.wasm'; const top = await WebAssembly.instantiate(m);";
    let worker = showing(imports, expression).module("x.wasm", "application/wasm", ADD_WASM);
    assert_eq!(ask(&host, "wasm", &worker).await, "42,2,8");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_may_have_folders_dots_spaces_and_no_extension() {
    let host = Host::new().start().await;
    let imports = "import a from './lib/deep/a.js'; import b from './no-extension'; \
        import c from './v1.2.3/c.min.js'; import d from './with space.js'; import e from 'lib/e.mjs'; \
        import f from './\u{e9}.js';";
    let worker = showing(imports, "[a, b, c, d, e, f]")
        .js("lib/deep/a.js", "import up from '../../root.js'; import e from '../e.mjs'; import same from './same.js';\
            export default up + e + same;")
        .js("lib/deep/same.js", "export default 's';")
        .js("lib/e.mjs", "export default 'e';")
        .js("root.js", "export default 'r';")
        .js("no-extension", "export default 'n';")
        .js("v1.2.3/c.min.js", "export default 'c';")
        .js("with space.js", "export default 'd';")
        .js("\u{e9}.js", "export default 'f';");
    assert_eq!(ask(&host, "names", &worker).await, "res,n,c,d,e,f");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cycles_and_top_level_await_are_evaluated_in_order() {
    let host = Host::new().start().await;
    let imports = "import { log } from './log.js'; import { name } from './a.js';";
    let worker = showing(imports, "log.join() + name()")
        .js("log.js", "export const log = [];")
        .js("a.js", "import { log } from './log.js'; import { b } from './b.js';\
            export function name() { return ':' + b; } log.push('a', await Promise.resolve('waited'));")
        .js("b.js", "import { log } from './log.js'; import { name } from './a.js';\
            log.push('b', typeof name); export const b = 'b';");
    assert_eq!(ask(&host, "cycles", &worker).await, "b,function,a,waited:b");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_is_evaluated_once_however_it_is_imported() {
    let host = Host::new().start().await;
    let worker = showing(
        "import * as a from './a.js';",
        "[a === await import('./a.js'), a === await import('a.js'), (await import('./lib/b.js')).same(a), \
            globalThis.count, (await import('./lazy.js')).default]",
    )
    .js("a.js", "globalThis.count = (globalThis.count ?? 0) + 1; export default 1;")
    .js("lib/b.js", "import * as a from '../a.js'; export const same = (other) => a === other;")
    .js("lazy.js", "await 0; export default 'lazy';");
    assert_eq!(ask(&host, "once", &worker).await, "true,true,true,1,lazy");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_a_clear_error_in_a_handler() {
    let host = Host::new().start().await;
    let names = r#"["./none.js", "none", "node:fs", "fs", "https://example.com/x.js", "file:///etc/passwd",
        "data:text/javascript,1", "npm:x", "cloudflare:none", "ext:core/mod.js", "../up.js", ""]"#;
    let worker = showing(
        "",
        &format!(
            "(await Promise.all({names}.map((name) => import(name).then(() => 'imported ' + name, String)))).join('\\n')"
        ),
    );
    let text = ask(&host, "missing", &worker).await;
    expect_test::expect_file!["missing_modules.golden"].assert_eq(&format!("{text}\n"));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_thrown_by_an_imported_module_is_the_same_object_for_everybody() {
    let host = Host::new().start().await;
    let expression = "await (async () => { \
        const one = await import('./bad.js').catch((error) => error); \
        const two = await import('./bad.js').catch((error) => error); \
        const three = await import('./imports-bad.js').catch((error) => error); \
        return [one === globalThis.thrown, one === two, one === three, one.message, one.own, \
            globalThis.count]; })()";
    let worker = showing("", expression)
        .js("bad.js", "globalThis.count = (globalThis.count ?? 0) + 1;\
            globalThis.thrown = Object.assign(new RangeError('m'), { own: 5 }); throw globalThis.thrown;")
        .js("imports-bad.js", "import './bad.js';");
    assert_eq!(ask(&host, "identity", &worker).await, "true,true,true,m,5,1");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_syntax_error_in_a_lazy_module_is_found_when_it_is_imported() {
    let host = Host::new().start().await;
    let worker = showing("", "await import('./bad.js').catch(String)").js("bad.js", "let 5;");
    let text = ask(&host, "lazy-syntax", &worker).await;
    assert!(text.starts_with("SyntaxError: "), "{text}");
    host.shutdown().await;
}
