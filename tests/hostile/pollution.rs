//! Built-ins changed by a worker before its handler ends: the worker may harm itself, but it is
//! answered with the truth.

use serde_json::json;

use super::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_changed_the_built_ins_still_answers() {
    let scene = Scene::start().await;
    for change in [
        "Array.prototype[0] = 'x'; Array.prototype.push = () => { throw 1; };",
        "Array.prototype[Symbol.iterator] = () => { throw 1; };",
        "Object.prototype.get = () => 1; Object.prototype.status = 404;
          Object.prototype.value = 7;",
        "Object.prototype.body = 'stolen'; Object.prototype.kind = 3; Object.prototype.length = 9;",
        "Promise.prototype.then = () => { throw 1; };",
        "Promise.prototype.then = function () { return this; };",
        "Promise.resolve = () => { throw 1; };",
        "Function.prototype.call = Function.prototype.apply = Function.prototype.bind = null;",
        "Reflect.apply = Reflect.construct = null;",
        "String.prototype.slice = String.prototype.split = () => { throw 1; };",
        "Symbol.prototype.toString = null; RegExp.prototype.test = () => { throw 1; };",
        "JSON.stringify = JSON.parse = () => { throw 1; };",
        "Uint8Array.prototype.subarray = Uint8Array.prototype.set = () => { throw 1; };",
        "Headers.prototype.get = Headers.prototype.set = () => { throw 1; };",
        "Object.defineProperty(Object.prototype, 'then', { configurable: true, get() {} });",
        "Error.prepareStackTrace = () => { throw 1; };",
        "delete globalThis.Response; delete globalThis.Promise; delete globalThis.Map;",
        "for (const key of Reflect.ownKeys(globalThis)) {
           if (key !== 'globalThis') try { globalThis[key] = undefined; } catch {} }",
        "Object.freeze(Array.prototype); Object.freeze(Object.prototype);",
    ] {
        let body = format!(
            "const Real = Response; const r = new Real('fine', {{ status: 201 }});
              {change} return r;"
        );
        let answer = scene.commit(&body, json!({ "cpu_ms": 1_000 })).await;
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (201, &b"fine"[..]),
            "{change} {answer}"
        );
        // A second request of the same isolate meets what the first one left behind.
        let second = scene.host.get(super::EVIL, "/").await;
        assert!(matches!(second.status, 201 | 500), "{change} {second}");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_under_changed_built_ins_is_an_exception() {
    let scene = Scene::start().await;
    for change in [
        "Promise.prototype.then = null; Promise.prototype.catch = null;",
        "Error.prepareStackTrace = () => { for (;;); };",
        "Error.prototype.toString = Error.prototype.name = null;",
        "Object.prototype.stack = Object.prototype.message = { toString() { throw 1; } };",
        "Array.prototype[Symbol.iterator] = null; String.prototype.replace = null;",
    ] {
        let body = format!("{change} throw new Error('mine');");
        let answer = scene.commit(&body, json!({ "cpu_ms": 200 })).await;
        let told = (answer.status, answer.code());
        let spun = change.contains("for (;;)") && told == (503, "EXCEEDED_CPU".into());
        assert!(spun || told == (500, "EXCEPTION".into()), "{change} {answer}");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_breaks_what_our_scripts_stand_on_fails_alone_and_is_told() {
    let scene = Scene::start().await;
    for change in [
        "Map.prototype.get = Map.prototype.set = Map.prototype.delete = () => { throw 1; };",
        "Set.prototype.add = Set.prototype.delete = Set.prototype.values = null;",
        "Promise.prototype.constructor = null;",
        "Object.defineProperty(Response, Symbol.hasInstance, { value: () => true });",
        "Object.defineProperty(Promise, Symbol.species, { value: function () { throw 1; } });",
    ] {
        let body = format!("{change} return new Response('fine');");
        for _ in 0..2 {
            let answer = scene.commit(&body, json!({ "cpu_ms": 1_000 })).await;
            assert!(matches!(answer.status, 200 | 500), "{change} {answer}");
            if answer.status == 500 {
                assert!(matches!(answer.outcome(), Some("exception" | "hung")), "{answer}");
            }
        }
    }
    assert_eq!(scene.host.cordon_death_count(), 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_tenant_changes_no_other_isolate_sees() {
    let scene = Scene::start().await;
    let mark = "globalThis.mark = 1; Array.prototype.mark = 1; Math.random = () => 4;
        Response.prototype.mark = 1; Headers.mark = 1; /(a)/.exec('a');
          return new Response('marked');";
    scene.commit(mark, json!({})).await.expect_status(200);
    let look = "return Response.json([globalThis.mark, [].mark, new Response().mark, Headers.mark,
        RegExp.$1, Math.random() === 4].map(String));";
    let other = crate::host::Worker::new(super::handler(look));
    scene.host.deploy("other", &other).await;
    let answer = scene.host.get("other", "/").await.expect_status(200);
    let clean = json!(["undefined", "undefined", "undefined", "undefined", "", "false"]);
    assert_eq!(answer.json(), clean);
    scene.end().await;
}
