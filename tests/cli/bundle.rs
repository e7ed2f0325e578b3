//! Projects that need a bundler or a command of their own. The bundler here is a script.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::deploy::{DEPLOYED, parts};
use super::fake::Fake;
use super::program::{NOBODY, Program};

const MAIN: &str = "import { Hono } from 'hono';\nexport default new Hono();\n";

/// Writes what it was told, a bundle, a map, and a text beside them.
const ESBUILD: &str = r#"#!/bin/sh
for option; do
  case "$option" in
    --outdir=*) out="${option#--outdir=}" ;;
    --metafile=*) meta="${option#--metafile=}" ;;
  esac
  printf '%s\n' "$option" >> told
done
mkdir -p "$out"
echo 'export default {};' > "$out/index.js"
printf '{"version":3,"sources":["%s/src/index.ts","x:virtual"],"mappings":""}' "$PWD" > "$out/index.js.map"
echo hi > "$out/page-X1.html"
echo '{"inputs":{"src/index.ts":{}}}' > "$meta"
"#;

fn project(config: &str, esbuild: &str) -> Program {
    let program = Program::new()
        .variable("PATH", "/usr/bin:/bin")
        .file("wrangler.jsonc", config)
        .file("src/index.ts", MAIN)
        .file("node_modules/.bin/esbuild", esbuild);
    let path = program.dir().join("node_modules/.bin/esbuild");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
    program
}

#[test]
fn a_worker_that_imports_a_package_is_bundled_by_the_project_s_own_bundler() {
    let api = Fake::answering(&[DEPLOYED]);
    let config = r#"{"name": "a", "main": "src/index.ts", "compatibility_date": "2026-08-01",
        "define": {"N": "1"}, "alias": {"x": "y"}, "jsx_factory": "h",
        "rules": [{"type": "Text", "globs": ["**/*.md"]}]}"#;
    let program = project(config, ESBUILD).api(api.url());
    program.run(&["deploy", ".", "--tenant", "acme"]).ok();
    let parts = parts(&api.asked());
    let metadata: serde_json::Value = serde_json::from_str(&parts[0].content).expect("JSON");
    assert_eq!(metadata["main_module"], "index.js");
    let found: Vec<_> =
        parts.iter().skip(1).map(|part| (&*part.disposition, &*part.content_type)).collect();
    assert_eq!(
        found,
        [
            ("name=\"index.js\"; filename=\"index.js\"", "application/javascript+module"),
            ("name=\"index.js.map\"; filename=\"index.js.map\"", "application/source-map"),
            ("name=\"page-X1.html\"; filename=\"page-X1.html\"", "text/plain"),
        ]
    );
    let map: serde_json::Value = serde_json::from_str(&parts[2].content).expect("a map");
    assert_eq!(map["sources"][0], "src/index.ts", "the project's directory is left out");
    let told = fs::read_to_string(program.dir().join("told")).expect("it ran in the project");
    for option in [
        "--bundle",
        "--format=esm",
        "--external:cloudflare:*",
        "--loader:.md=copy",
        "--define:N=1",
        "--alias:x=y",
        "--jsx-factory=h",
    ] {
        assert!(told.lines().any(|line| line == option), "{option}: {told}");
    }
}

#[test]
fn what_a_bundler_says_is_passed_on() {
    let script =
        "#!/bin/sh\necho 'src/index.ts:1:21: ERROR: Could not resolve \"hono\"' >&2\nexit 1\n";
    let program =
        project(r#"{"main": "src/index.ts", "compatibility_date": "2026-08-01"}"#, script);
    let said = program.api(NOBODY).run(&["deploy", ".", "--tenant", "acme"]).refused(1);
    assert!(said.contains("failed (exit status: 1)"), "{said}");
    assert!(said.contains("\nsrc/index.ts:1:21: ERROR: Could not resolve \"hono\"\n"), "{said}");
}

#[test]
fn a_machine_without_a_bundler_is_told_what_to_install() {
    let config = r#"{"main": "src/index.ts", "compatibility_date": "2026-08-01"}"#;
    let program = Program::new()
        .variable("PATH", "/none")
        .file("wrangler.jsonc", config)
        .file("src/index.ts", MAIN);
    let said = program.api(NOBODY).run(&["deploy", ".", "--tenant", "acme"]).refused(1);
    assert!(said.contains("`npx` is not there: install Node.js"), "{said}");
    assert!(said.contains("\"no_bundle\": true"), "{said}");
}

#[test]
fn no_bundle_is_respected() {
    let api = Fake::answering(&[DEPLOYED]);
    let config =
        r#"{"main": "src/index.ts", "compatibility_date": "2026-08-01", "no_bundle": true}"#;
    let program = project(config, "#!/bin/sh\nexit 1\n").api(api.url());
    program.run(&["deploy", ".", "--tenant", "acme"]).ok();
    assert!(parts(&api.asked())[1].content.starts_with("import { Hono } from \"hono\";"));
}

#[test]
fn the_project_s_command_runs_before_anything_is_read() {
    let api = Fake::answering(&[DEPLOYED]);
    let config = json!({
        "main": "dist/made.js", "compatibility_date": "2026-08-01",
        "build": {"command": "mkdir -p ../dist && cp index.ts ../dist/made.js && echo made", "cwd": "src"},
    });
    let program = project(&config.to_string(), "").api(api.url());
    let program = program.file("src/index.ts", "export default {};\n");
    let ran = program.run(&["deploy", ".", "--tenant", "acme"]);
    assert!(ran.stderr.starts_with("made\n"), "{ran:?}");
    ran.ok();
    assert_eq!(parts(&api.asked())[1].content, "export default {};\n");
    let config = config.to_string().replace("echo made", "exit 7");
    let program = project(&config, "").api(NOBODY);
    let said = program.run(&["deploy", ".", "--tenant", "acme"]).refused(1);
    assert!(said.contains("`build.command` failed (exit status: 7): mkdir"), "{said}");
}
