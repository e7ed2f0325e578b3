//! TypeScript and JSX: what is uploaded of them, and what is said of mistakes.

use expect_test::expect;

use super::deploy::{DEPLOYED, Part, parts};
use super::fake::Fake;
use super::program::{NOBODY, Program};

/// A project whose main module is `src/index.ts`, with this text.
fn project(main: &str) -> Program {
    let file = r#"{"main": "src/index.ts", "compatibility_date": "2026-08-01"}"#;
    Program::new().file("wrangler.jsonc", file).file("src/index.ts", main)
}

/// What is uploaded of a project.
fn uploaded(program: Program, file: &str) -> Vec<Part> {
    let api = Fake::answering(&[DEPLOYED]);
    let program = program.api(api.url()).file("wrangler.json", file);
    program.run(&["deploy", ".", "--tenant", "acme"]).ok();
    parts(&api.asked())
}

/// The text of a module.
#[track_caller]
fn module<'a>(parts: &'a [Part], name: &str) -> &'a str {
    let disposition = format!("name=\"{name}\"; filename=\"{name}\"");
    let part = parts.iter().find(|part| part.disposition == disposition);
    &part.unwrap_or_else(|| panic!("no {name} in {parts:#?}")).content
}

fn names(parts: &[Part]) -> Vec<&str> {
    let name = |part: &'_ Part| part.disposition.split('"').nth(1).map(str::len);
    parts.iter().filter_map(|part| part.disposition.get(6..6 + name(part)?)).collect()
}

/// What is said of a project.
fn refused(program: Program) -> String {
    program.api(NOBODY).run(&["deploy", ".", "--tenant", "acme"]).refused(1)
}

const MAIN: &str = r#"{"main": "src/index.ts", "compatibility_date": "2026-08-01"}"#;

#[test]
fn types_are_stripped_and_imports_lead_to_files() {
    let main = "import { Kind, type Of } from './kinds';\nimport rest from \"../src/lib/rest.js\";\n\
        import './lib';\nimport type { Gone } from 'a-package';\nimport data from './data.json';\n\
        interface Env { A: string }\n\
        export default { fetch(r: Request, env: Env): Response { return new Response(`${Kind.A}${rest as Of}${data}`); } };\n";
    let program = Program::new()
        .file("src/index.ts", main)
        .file("src/kinds.ts", "export enum Kind { A = 'a' }\nexport type Of = string;\n")
        .file(
            "src/lib/rest.ts",
            "import up from '../up';\nconst x: number = 1;\nexport default x + up;\n",
        )
        .file("src/lib/index.tsx", "export {};\n")
        .file("src/up.mjs", "export default 1;\n")
        .file("src/data.json", "{}")
        .file("src/not-reached.test.ts", "import 'vitest';")
        .file("src/types.d.ts", "declare const x: number;");
    let parts = uploaded(program, MAIN);
    assert_eq!(
        names(&parts),
        [
            "metadata",
            "index.ts",
            "index.ts.map",
            "kinds.ts",
            "kinds.ts.map",
            "lib/rest.ts",
            "lib/rest.ts.map",
            "lib/index.tsx",
            "lib/index.tsx.map",
            "data.json",
            "up.mjs",
        ]
    );
    let kind = |name: &str| {
        let part = parts.iter().find(|part| part.disposition.contains(&format!("\"{name}\"")));
        part.map(|part| part.content_type.as_str())
    };
    assert_eq!(kind("index.ts"), Some("application/javascript+module"));
    assert_eq!(kind("index.ts.map"), Some("application/source-map"));
    expect![[r#"
        import { Kind } from "./kinds.ts";
        import rest from "./lib/rest.ts";
        import "./lib/index.tsx";
        import data from "./data.json";
        export default { fetch(r, env) {
        	return new Response(`${Kind.A}${rest}${data}`);
        } };
        //# sourceMappingURL=index.ts.map
    "#]]
    .assert_eq(module(&parts, "index.ts"));
    assert!(module(&parts, "lib/rest.ts").starts_with("import up from \"../up.mjs\";\n"));
    let map: serde_json::Value =
        serde_json::from_str(module(&parts, "lib/rest.ts.map")).expect("a map");
    assert_eq!(map["sources"], serde_json::json!(["rest.ts"]));
    let mappings = map["mappings"].as_str().unwrap_or_default();
    assert_eq!(mappings.matches(";AAC").count(), 2, "each line is one below the other: {map}");
}

#[test]
fn javascript_that_needs_nothing_is_uploaded_as_it_stands() {
    let main = "import  './a.js' ;\nexport default {fetch(){}}";
    let program = Program::new().file("src/index.js", main).file("src/a.js", "// a\n");
    let file = MAIN.replace(".ts", ".js");
    let parts = uploaded(program, &file);
    assert_eq!(names(&parts), ["metadata", "index.js", "a.js"]);
    assert_eq!(module(&parts, "index.js"), main);
    let main = "import './a';\nexport default {fetch(){}}";
    let program = Program::new().file("src/index.js", main).file("src/a.js", "// a\n");
    let parts = uploaded(program, &file);
    assert_eq!(names(&parts), ["metadata", "index.js", "index.js.map", "a.js"]);
    assert!(module(&parts, "index.js").starts_with("import \"./a.js\";\n"));
}

#[test]
fn jsx_is_written_as_the_project_says() {
    let page = "export const page = <p id=\"a\">{1}<></></p>;\n";
    for (tsconfig, head, said) in [
        (
            r#"{"compilerOptions": {"jsx": "react", "jsxFactory": "h", "jsxFragmentFactory": "F"}}"#,
            "",
            r#"h("p", { id: "a" }, 1, "#,
        ),
        ("{}", "/** @jsx dom.make */\n", r#"dom.make("p", { id: "a" }, 1, "#),
        ("{}", "", r#"React.createElement("p", { id: "a" }, 1, "#),
        // A comment, and an import source of the project's own.
        (
            r#"{"extends": "./base", "compilerOptions": {"jsxImportSource": "./own"}, /* c */ }"#,
            "",
            r#"import { Fragment as _Fragment, jsx as _jsx, jsxs as _jsxs } from "./own/jsx-runtime.ts";"#,
        ),
    ] {
        let program = Program::new()
            .file("tsconfig.json", tsconfig)
            .file("base.json", r#"{"compilerOptions": {"jsx": "react-jsx"}}"#)
            .file("src/index.ts", "import './page';\nexport default {};")
            .file("src/page.tsx", format!("{head}{page}"))
            .file("src/own/jsx-runtime.ts", "export const jsx = 1, jsxs = 1, Fragment = 1;");
        let parts = uploaded(program, MAIN);
        let page = module(&parts, "page.tsx");
        assert!(page.contains(said), "{tsconfig}: {page}");
    }
}

#[test]
fn mistakes_are_shown_with_their_place_all_at_once() {
    let program = project("import './a';\nimport './b';\nexport default {};")
        .file("src/a.ts", "const x: = 1;\n")
        .file("src/b.ts", "\tlet y = 1;\n\tlet y = 2; import { z } from './none';\n");
    expect![[r#"
        error: . can not be deployed
          src/a.ts:1:10: Unexpected token
            1 | const x: = 1;
              |          ^
          src/b.ts:1:6: Identifier `y` has already been declared
            1 |  let y = 1;
              |      ^
    "#]]
    .assert_eq(&refused(program));
    let program = project("// none\nimport z from './none';\nexport default z;");
    let said = refused(program);
    let place = "src/index.ts:2:15: there is no file for `./none`";
    assert!(said.contains(place), "{said}");
    assert!(
        said.contains("\n    2 | import z from './none';\n      |               ^^^^^^^^\n"),
        "{said}"
    );
}

#[test]
fn a_project_that_extends_what_is_not_there_is_told_where() {
    let program =
        project("export default {};").file("tsconfig.json", "{\n  \"extends\": \"./none\"\n}");
    let said = refused(program);
    assert!(said.contains("./tsconfig.json:2:14: there is no `./none` to extend"), "{said}");
}
