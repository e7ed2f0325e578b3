//! A worker to upload: modules, bindings and whatever else the metadata says.

use serde_json::{Value, json};

/// What separates the parts of an upload.
pub(super) const BOUNDARY: &str = "upload-5d1f0a7c";

/// An upload: a main module `index.js`, and what a test adds.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(super) name: String,
    metadata: Value,
    modules: Vec<(String, &'static str, Vec<u8>)>,
}

impl Worker {
    /// A worker `main` of one module.
    pub(crate) fn new(source: impl Into<String>) -> Self {
        let metadata = json!({
            "main_module": "index.js",
            "compatibility_date": "2026-08-01",
            "bindings": [],
        });
        let worker = Self { name: "main".into(), metadata, modules: Vec::new() };
        worker.js("index.js", source)
    }

    /// With another name than `main`.
    pub(crate) fn name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// With an ECMAScript module.
    pub(crate) fn js(self, name: &str, source: impl Into<String>) -> Self {
        self.module(name, "application/javascript+module", source.into())
    }

    /// With a module of any kind.
    pub(crate) fn module(
        mut self,
        name: &str,
        content_type: &'static str,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        self.modules.push((name.into(), content_type, bytes.into()));
        self
    }

    /// With a plain text in `env`.
    pub(crate) fn text(self, name: &str, text: &str) -> Self {
        self.binding(json!({ "type": "plain_text", "name": name, "text": text }))
    }

    /// With a JSON value in `env`, its text as given.
    pub(crate) fn json(self, name: &str, text: &str) -> Self {
        let raw: Box<serde_json::value::RawValue> =
            serde_json::from_str(text).expect("the test's JSON");
        // A value of serde_json sorts keys, so the text takes the place of a mark.
        let mark = format!("@@{}@@", self.raws().len());
        let mut worker = self.binding(json!({ "type": "json", "name": name, "json": mark }));
        worker.modules.push((mark, RAW, raw.get().into()));
        worker
    }

    /// With a secret in `env`.
    pub(crate) fn secret(self, name: &str, text: &str) -> Self {
        self.binding(json!({ "type": "secret_text", "name": name, "text": text }))
    }

    /// With any binding.
    pub(crate) fn binding(mut self, binding: Value) -> Self {
        self.metadata["bindings"].as_array_mut().expect("a list").push(binding);
        self
    }

    /// With limits, such as `{"cpu_ms": 50}`.
    pub(crate) fn limits(self, limits: Value) -> Self {
        self.metadata("limits", limits)
    }

    /// With a field of the metadata.
    pub(crate) fn metadata(mut self, name: &str, value: Value) -> Self {
        self.metadata[name] = value;
        self
    }

    fn raws(&self) -> Vec<&(String, &'static str, Vec<u8>)> {
        self.modules.iter().filter(|(_, kind, _)| *kind == RAW).collect()
    }

    /// The body of the upload.
    pub(super) fn form(&self) -> Vec<u8> {
        let mut metadata = self.metadata.to_string();
        for (mark, _, json) in self.raws() {
            metadata = metadata.replace(&format!("\"{mark}\""), &String::from_utf8_lossy(json));
        }
        let mut form = Vec::new();
        part(&mut form, "metadata", "application/json", metadata.as_bytes());
        for (name, kind, bytes) in self.modules.iter().filter(|(_, kind, _)| *kind != RAW) {
            part(&mut form, name, kind, bytes);
        }
        form.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        form
    }
}

/// Not a module: JSON of a binding, as a text that keeps its order.
const RAW: &str = "raw";

fn part(form: &mut Vec<u8>, name: &str, content_type: &str, bytes: &[u8]) {
    let head = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\
         content-type: {content_type}\r\n\r\n"
    );
    form.extend_from_slice(head.as_bytes());
    form.extend_from_slice(bytes);
    form.extend_from_slice(b"\r\n");
}
