//! The JavaScript that both contenders run.

use std::fmt::Write;

use serde_json::{Value, json};

/// One module and its plain configuration.
#[derive(Clone)]
pub(crate) struct Worker {
    /// The main module.
    pub(crate) source: String,
    /// `vars`: texts and JSON values.
    pub(crate) vars: Vec<(&'static str, Value)>,
    /// Names of namespaces of keys and values.
    pub(crate) namespaces: Vec<&'static str>,
    /// Whether `LOADER` loads workers.
    pub(crate) loads: bool,
    /// Whether it sends to a queue, `QUEUE`, that it consumes itself.
    pub(crate) queues: bool,
    /// The main module of another worker that it is bound to as `CALLEE`.
    pub(crate) callee: Option<&'static str>,
}

impl Worker {
    /// One without bindings.
    pub(crate) fn plain(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            vars: Vec::new(),
            namespaces: Vec::new(),
            loads: false,
            queues: false,
            callee: None,
        }
    }

    /// The `hello` example.
    pub(crate) fn hello() -> Self {
        let vars = vec![
            ("GREETING", json!("Hello")),
            ("CONFIG", json!({ "nobody": "world", "mark": "!" })),
        ];
        Self { vars, ..Self::plain(include_str!("../../examples/hello/src/index.js")) }
    }

    /// Loads a worker for each name, of code that nobody else has: a counter.
    pub(crate) fn loading() -> Self {
        let counter =
            "let count = 0;\nexport default { fetch: () => new Response(String(++count)) };";
        let padding = format!("\n// {}\n", "x".repeat(1_024 - counter.len()));
        let loaded = json!(format!("{counter}{padding}"));
        let vars = vec![("SOURCE", loaded)];
        Self { vars, loads: true, ..Self::plain(include_str!("../workers/loading.js")) }
    }

    /// Bodies of all sizes, and an echo.
    pub(crate) fn stream() -> Self {
        Self::plain(include_str!("../workers/stream.js"))
    }

    /// Spins or fills its memory when it is told to.
    pub(crate) fn offender() -> Self {
        Self::plain(include_str!("../workers/offender.js"))
    }

    /// Passes requests on to an origin and its responses back.
    pub(crate) fn proxy(origin: &str) -> Self {
        let vars = vec![("ORIGIN", json!(origin))];
        Self { vars, ..Self::plain(include_str!("../workers/proxy.js")) }
    }

    /// Reads and writes keys.
    pub(crate) fn kv() -> Self {
        Self { namespaces: vec!["KV"], ..Self::plain(include_str!("../workers/kv.js")) }
    }

    /// Sends messages and takes them; an origin is told of those that ask for it.
    pub(crate) fn queue(origin: &str) -> Self {
        let vars = vec![("ORIGIN", json!(origin))];
        Self { vars, queues: true, ..Self::plain(include_str!("../workers/queue.js")) }
    }

    /// Calls another worker.
    pub(crate) fn calling() -> Self {
        let callee = Some(include_str!("../workers/callee.js"));
        Self { callee, ..Self::plain(include_str!("../workers/rpc.js")) }
    }

    /// A program of about so many bytes, a part of which runs when it starts.
    pub(crate) fn sized(bytes: usize) -> Self {
        Self::plain(program(bytes))
    }

    /// The same worker with a comment that makes its bytes nobody else's.
    pub(crate) fn marked(&self, mark: &str) -> Self {
        Self { source: format!("// {mark}\n{}", self.source), ..self.clone() }
    }
}

/// Classes, tables, closures and pattern matching, as bundles have them: one part in four runs at
/// start-up, the rest is only there to be parsed.
fn program(bytes: usize) -> String {
    let mut source = String::from("const parts = new Map();\n");
    let tail = "\nexport default {\n  fetch(request) {\n    \
                const { pathname } = new URL(request.url);\n    \
                const part = parts.get(pathname.slice(1)) ?? (() => parts.size);\n    \
                return new Response(`ok ${part(7)}\\n`);\n  },\n};\n";
    for number in 0.. {
        let part = part(number);
        if source.len() + part.len() + tail.len() > bytes {
            break;
        }
        source.push_str(&part);
    }
    source.push_str(tail);
    source
}

/// One part, about 800 bytes, like its neighbours in kind and different in every name and number.
fn part(n: usize) -> String {
    let mut text = format!(
        "class Item{n} {{\n  #fields = new Map([[\"id\", {n}], [\"kind\", \"k{}\"]]);\n  \
         constructor(seed) {{ this.seed = seed ^ {}; }}\n  \
         get label() {{ return `${{this.#fields.get(\"kind\")}}-${{this.seed}}`; }}\n  \
         matches(text) {{ return /^item-{n}(?:-[a-z0-9]+)*$/.test(text); }}\n}}\n",
        n % 17,
        n * 2_654_435 % 65_536,
    );
    let _ = write!(
        text,
        "const table{n} = {{ name: \"table-{n}\", rows: [{n}, {}, {}], on: {} }};\n\
         function mix{n}(value) {{\n  let hash = {};\n  \
         for (const row of table{n}.rows) {{\n    \
         hash = Math.imul(hash ^ (row + value), 16777619) >>> 0;\n  }}\n  \
         switch (hash % 3) {{\n    \
         case 0: return hash;\n    case 1: return new Item{n}(hash).label.length + hash;\n    \
         default: return table{n}.on ? hash >>> 1 : hash << 1;\n  }}\n}}\n",
        n + 3,
        n * 7,
        n.is_multiple_of(2),
        2_166_136_261_u32.wrapping_add(n as u32),
    );
    if n.is_multiple_of(4) {
        let _ = writeln!(text, "parts.set(`${{table{n}.name}}-${{mix{n}({n})}}`, mix{n});");
    } else {
        let _ = writeln!(text, "parts.set(\"part-{n}\", mix{n});");
    }
    text
}
