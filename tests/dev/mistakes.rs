//! A mistake is shown with its place, and what served before goes on serving.

use rustix::process::Signal;

use super::session::{Project, Session};

const GOOD: &str = "export default { fetch() { return new Response('good'); } };\n";

/// Saves a mistake. Gives what is said of it.
async fn mistake(session: &mut Session, file: &str, text: &str) -> String {
    session.save(file, text);
    let problem = session.next("problem").await;
    assert_eq!(problem["serving"], true);
    assert_eq!(session.get("dev").await.text(), "good", "what served before goes on serving");
    problem["message"].as_str().expect("a text").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_syntax_error_shows_its_line_and_the_next_good_save_is_served() {
    let mut session = Project::of(GOOD).start(&[]).await;
    session.next("deployed").await;
    let said =
        mistake(&mut session, "src/index.js", "export default {\n  fetch( { retrun 1 }\n};").await;
    assert!(said.contains("src/index.js:2:19: "), "{said}");
    assert!(said.contains("2 |   fetch( { retrun 1 }\n      |                   ^"), "{said}");
    session.save("src/index.js", "export default { fetch() { return new Response('better'); } };");
    session.next("deployed").await;
    assert_eq!(session.get("dev").await.text(), "better");
    session.end(Signal::INT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_of_what_serves_already_ends_a_mistake() {
    let mut session = Project::of(GOOD).start(&[]).await;
    session.next("deployed").await;
    mistake(&mut session, "src/index.js", "export default {").await;
    session.save("src/index.js", GOOD);
    session.next("deployed").await;
    assert_eq!(session.get("dev").await.text(), "good");
    session.end(Signal::INT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_that_throws_at_its_start_shows_its_line() {
    let mut session = Project::of(GOOD).start(&[]).await;
    session.next("deployed").await;
    let text = format!("import './other.js';\n{GOOD}");
    session.save("src/other.js", "\n  throw new RangeError('at start');");
    session.next("deployed").await;
    let said = mistake(&mut session, "src/index.js", &text).await;
    assert!(said.contains("RangeError: at start"), "{said}");
    assert!(said.contains("\n  src/other.js:2:9\n"), "{said}");
    assert!(
        said.contains("\n  2 |   throw new RangeError('at start');\n    |         ^"),
        "{said}"
    );
    session.end(Signal::INT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_in_the_configuration_shows_its_place_and_what_was_meant() {
    let mut session = Project::of(GOOD).start(&[]).await;
    session.next("deployed").await;
    let text = "{\n  \"main\": \"src/index.js\",\n  \"compatibility_dates\": \"2026-08-01\"\n}";
    let said = mistake(&mut session, "wrangler.jsonc", text).await;
    let meant = "./wrangler.jsonc:3:3: `compatibility_dates` is not a known key: \
        did you mean `compatibility_date`?";
    assert!(said.contains(meant), "{said}");
    let text = "{\"main\": \"src/index.js\", \"vars\": {\"A\": \"1\"}, \"compatibility_date\": \"2026-08-01\"}";
    session.save("wrangler.jsonc", text);
    session.next("deployed").await;
    session.end(Signal::INT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_begins_with_a_mistake_recovers() {
    let project = Project::new();
    let mut session = project.start(&[]).await;
    let problem = session.next("problem").await;
    assert_eq!(problem["serving"], false);
    session.save("wrangler.toml", "main = \"src/index.js\"\ncompatibility_date = \"2026-08-01\"\n");
    let problem = session.next("problem").await;
    let said = problem["message"].as_str().expect("a text");
    assert!(said.contains("./wrangler.toml:1:1: there is no file `src/index.js`"), "{said}");
    session.save("src/index.js", GOOD);
    session.next("deployed").await;
    assert_eq!(session.get("dev").await.text(), "good");
    session.end(Signal::INT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_shows_the_line_of_the_project_s_own_file() {
    let source = "import { fail } from './lib/fail.js';\n\
        export default { fetch() {\n  console.log('before');\n  return fail(1);\n} };\n";
    let project = Project::of(source)
        .file("src/lib/fail.js", "export function fail(x) {\n  return x.y.z;\n}\n");
    let mut session = project.start(&[]).await;
    session.next("deployed").await;
    session.get("dev").await.expect_failure(500, "EXCEPTION");
    assert_eq!(session.next("log").await["message"][0], "before");
    let exception = session.next("exception").await;
    let excerpt = exception["excerpt"].as_str().unwrap_or_else(|| panic!("{exception}"));
    assert!(excerpt.contains("src/lib/fail.js:2:14"), "{excerpt}");
    assert!(excerpt.contains("2 |   return x.y.z;\n    |              ^"), "{excerpt}");
    assert_eq!(session.next("outcome").await["outcome"], "exception");
    session.end(Signal::INT).await;
}

#[tokio::test]
async fn an_exception_of_typescript_shows_its_own_line() {
    let source = "interface Named {\n  name: string;\n}\n\n\
        function greet(who: Named): string {\n  throw new TypeError(`no ${who.name}`);\n}\n\n\
        export default {\n  fetch(): Response {\n    \
        return new Response(greet({ name: 'Ada' }));\n  },\n};\n";
    let project = Project::new()
        .file("wrangler.jsonc", r#"{"main": "index.ts", "compatibility_date": "2026-08-01"}"#)
        .file("index.ts", source);
    let mut session = project.start(&[]).await;
    session.next("deployed").await;
    session.get("dev").await.expect_failure(500, "EXCEPTION");
    let exception = session.next("exception").await;
    assert_eq!(exception["message"], "no Ada", "{exception}");
    let excerpt = exception["excerpt"].as_str().unwrap_or_else(|| panic!("{exception}"));
    assert!(excerpt.contains("index.ts:6:"), "{excerpt}");
    assert!(excerpt.contains("6 |   throw new TypeError(`no ${who.name}`);\n"), "{excerpt}");
    session.end(Signal::INT).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_a_way_out() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, said) = Project::of(GOOD).ends_on(&["--listen", &address]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains(&address) && said.contains("--port picks another port"), "{said}");
}
