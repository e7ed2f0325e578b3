//! Positions in uploaded code, as its author knows them: through the source maps that came with
//! a version, as modules of their own or inside a `data:` URL.
//!
//! Nothing is done while events run: a stack is stored as the isolate told it, and mapped when
//! somebody reads it, off the threads that serve. Maps are read once, when they are first asked
//! for, and kept within a bound. One that does not parse leaves positions as they are; the
//! upload said so. Absent on purpose: names of functions, and the text of sources.

mod frames;
mod map;
mod read;

pub use read::SourceMaps;

use std::collections::HashMap;
use std::sync::Arc;

use bindery_wire::Manifest;
use bindery_wire::manifest::ModuleKind;
use bytes::Bytes;

pub(crate) use map::{Error, Map};

/// What stands before the URL of a module's map.
const MARK: &str = "//# sourceMappingURL=";
/// The older form of it.
const OLD_MARK: &str = "//@ sourceMappingURL=";

/// Where the map of a module is.
#[derive(Debug, PartialEq, Eq)]
enum Found<'a> {
    /// In the module itself.
    Inline(&'a str),
    /// A module of this name.
    Module(String),
}

/// Where the map of a module is, if it has one. One that the module does not name may go by the
/// module's own name and `.map`.
fn find<'a>(manifest: &Manifest, name: &str, source: &'a str) -> Option<Found<'a>> {
    let is_map = |name: &str| {
        manifest.modules.get(name).is_some_and(|module| module.kind == ModuleKind::SourceMap)
    };
    let at = |mark: &str| source.rfind(mark).map(|at| at + mark.len());
    let url = at(MARK).or_else(|| at(OLD_MARK)).and_then(|at| source.get(at..));
    let url = url.and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    if url.starts_with("data:") {
        return Some(Found::Inline(url));
    }
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let names = [map::relative(folder, url), format!("{name}.map")];
    names.into_iter().find(|name| is_map(name)).map(Found::Module)
}

/// The map inside a `data:` URL.
fn inline(url: &str, base: &str) -> Result<Map, Error> {
    let malformed = |what: &str| Error::Malformed(what.into());
    let (head, data) = url.split_once(',').ok_or_else(|| malformed("a URL without data"))?;
    if !head.ends_with(";base64") {
        return Err(malformed("a data: URL that is not base64"));
    }
    let json = data_encoding::BASE64.decode(data.as_bytes());
    let json = json.map_err(|error| malformed(&error.to_string()))?;
    Map::parse(&json, base)
}

/// The map of one module, whose version's map modules are what `bytes` gives.
fn of_module(
    manifest: &Manifest,
    (name, source): (&str, &[u8]),
    bytes: impl FnOnce(&str) -> Option<Bytes>,
) -> Result<Option<Map>, Error> {
    let Ok(source) = std::str::from_utf8(source) else { return Ok(None) };
    match find(manifest, name, source) {
        None => Ok(None),
        Some(Found::Inline(url)) => inline(url, name).map(Some),
        Some(Found::Module(map)) => match bytes(&map) {
            Some(json) => Map::parse(&json, &map).map(Some),
            None => Ok(None),
        },
    }
}

/// A text in which positions are mapped: `maps` has those of the modules that it names.
fn mapped(text: &str, maps: &HashMap<String, Arc<Option<Map>>>) -> Option<String> {
    frames::replace(text, |module, line, column| {
        maps.get(module)?.as_ref().as_ref()?.find(line, column)
    })
}

/// What is wrong with the maps of an upload, for its author. Takes as long as they are.
pub(crate) fn warnings(manifest: &Manifest, modules: &[(String, Bytes)]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, bytes) in modules {
        let checked = match manifest.modules.get(name).map(|module| module.kind) {
            Some(ModuleKind::SourceMap) => Map::parse(bytes, name).map(|_| ()),
            Some(ModuleKind::Es | ModuleKind::CommonJs) => {
                match std::str::from_utf8(bytes).map(|s| find(manifest, name, s)) {
                    Ok(Some(Found::Inline(url))) => inline(url, name).map(|_| ()),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        };
        if let Err(error) = checked {
            let shown: String = name.chars().take(80).flat_map(char::escape_debug).collect();
            warnings.push(format!("modules[\"{shown}\"]: its source map is not used: {error}"));
        }
    }
    warnings
}

/// A stack of an upload that is not kept, mapped. Takes as long as the maps are.
pub(crate) fn stack_of(manifest: &Manifest, modules: &[(String, Bytes)], stack: &str) -> String {
    let bytes = |name: &str| modules.iter().find(|(n, _)| n == name).map(|(_, b)| b.clone());
    let mut maps = HashMap::new();
    for name in frames::modules(stack) {
        let Some(source) = bytes(name) else { continue };
        let map = of_module(manifest, (name, &source), bytes).ok().flatten();
        maps.insert(name.to_owned(), Arc::new(map));
    }
    mapped(stack, &maps).unwrap_or_else(|| stack.to_owned())
}

#[cfg(test)]
mod tests {
    use bindery_wire::manifest::{self, Compat, Module, Outbound};
    use bindery_wire::{ContentHash, limits};

    use super::*;

    const MAP: &str = r#"{"version":3,"sources":["../src/a.ts"],"mappings":"AAUA"}"#;

    fn upload(modules: &[(&str, ModuleKind, &str)]) -> (Manifest, Vec<(String, Bytes)>) {
        let module = |(name, kind, text): &(&str, ModuleKind, &str)| {
            let hash = ContentHash::of(text.as_bytes());
            ((*name).to_owned(), Module { kind: *kind, hash, bytes: text.len() as u64 })
        };
        let manifest = Manifest {
            format: manifest::FORMAT,
            main_module: "index.js".into(),
            modules: modules.iter().map(module).collect(),
            bindings: Default::default(),
            compat: Compat { date: "2026-08-01".into(), flags: vec![] },
            limits: limits::Lower::default(),
            outbound: Outbound::Public,
            previews: true,
            routes: vec![],
            queue_consumers: vec![],
            crons: vec![],
            given: None,
        };
        let bytes =
            |(name, _, text): &(&str, _, &str)| ((*name).to_owned(), text.to_string().into());
        (manifest, modules.iter().map(bytes).collect())
    }

    fn mapped_in(modules: &[(&str, ModuleKind, &str)], stack: &str) -> String {
        let (manifest, modules) = upload(modules);
        stack_of(&manifest, &modules, stack)
    }

    #[test]
    fn a_map_is_found_by_the_url_that_its_module_names() {
        use ModuleKind::{Es, SourceMap};
        let stack = "    at dist/index.js:1:1";
        for (name, source, map) in [
            ("dist/index.js", "x\n//# sourceMappingURL=index.js.map", "dist/index.js.map"),
            ("dist/index.js", "x\n//# sourceMappingURL=../maps/a.json\n", "maps/a.json"),
            ("dist/index.js", "x\n//@ sourceMappingURL=./a.map", "dist/a.map"),
            ("dist/index.js", "x", "dist/index.js.map"),
        ] {
            let mapped = mapped_in(&[(name, Es, source), (map, SourceMap, MAP)], stack);
            assert_eq!(mapped, "    at src/a.ts:11:1", "{source}");
        }
        let plain = mapped_in(&[("dist/index.js", Es, "x")], stack);
        assert_eq!(plain, stack);
    }

    #[test]
    fn a_map_inside_the_module_is_read() {
        let data = data_encoding::BASE64.encode(MAP.as_bytes());
        let source = format!("x\n//# sourceMappingURL=data:application/json;base64,{data}");
        let mapped = mapped_in(&[("a/b.js", ModuleKind::Es, &source)], "    at f (a/b.js:1:1)");
        assert_eq!(mapped, "    at f (src/a.ts:11:1)");
    }

    #[test]
    fn a_map_that_does_not_parse_is_warned_of_and_changes_nothing() {
        use ModuleKind::{Es, SourceMap};
        let bad = "x\n//# sourceMappingURL=data:application/json;base64,!!";
        let modules = [("index.js", Es, "x"), ("index.js.map", SourceMap, "{"), ("b.js", Es, bad)];
        let (manifest, contents) = upload(&modules);
        let warned = warnings(&manifest, &contents);
        assert_eq!(warned.len(), 2, "{warned:?}");
        assert!(warned[0].starts_with(r#"modules["index.js.map"]: its source map is not used: "#));
        let stack = "    at index.js:1:1\n    at b.js:1:1";
        assert_eq!(stack_of(&manifest, &contents, stack), stack);
    }
}
