//! One module out of many, by a stock bundler, for a project that needs it.
//!
//! The project's own esbuild is run, else a fixed one through `npx`. Files that are not scripts
//! (text, data, wasm) stay modules of their own, copied beside the bundle.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::modules::{self, Module};
use super::sources::{Sources, plain};
use super::tsconfig::TsConfig;
use super::wrangler::Project;
use crate::error::Error;
use crate::output;

/// What `npx` is asked for if the project has no esbuild of its own.
const ESBUILD: &str = "esbuild@0.28.2";
/// Characters of what the bundler says.
const SAID_CHARS_MAX: usize = 20_000;
/// Files that stay modules of their own.
const COPIED: &[&str] = &["wasm", "txt", "html", "sql", "bin", "data"];
/// The name of the bundle.
const MAIN: &str = "index.js";

/// Bundles a project whose directory is `dir`: the modules, the main one being the name given too.
pub(crate) fn bundle(
    dir: &Path,
    project: &Project,
    config: &TsConfig,
    sources: &mut Sources,
) -> Result<(String, Vec<Module>), Error> {
    let out = tempfile::Builder::new().prefix("bindery-bundle").tempdir();
    let out = out.map_err(|error| Error::os("no temporary directory", error))?;
    let unreadable = |error| Error::os(format_args!("{} can not be read", dir.display()), error);
    let root = fs::canonicalize(dir).map_err(unreadable)?;
    let place = fs::canonicalize(out.path()).map_err(unreadable)?;
    let meta = place.join("meta.json");
    let modules = place.join("out");
    let mut command = esbuild(&root);
    command.current_dir(&root).stdin(Stdio::null());
    command.arg(fs::canonicalize(project.base.join(&project.main)).map_err(unreadable)?);
    command.args(arguments(project, config));
    command.arg(option("--outdir=", &modules)).arg(option("--metafile=", &meta));
    run(&mut command)?;
    note_inputs(dir, &meta, sources);
    direct_map(&root, &modules);

    let mut found = Vec::new();
    modules::add_others(&modules, &project.rules, &mut found, &mut Sources::default())?;
    Ok((MAIN.to_owned(), found))
}

/// The project's own bundler, else one from the registry.
fn esbuild(root: &Path) -> Command {
    let own = root.ancestors().map(|dir| dir.join("node_modules/.bin/esbuild"));
    match own.into_iter().find(|path| path.is_file()) {
        Some(own) => Command::new(own),
        None => {
            let mut command = Command::new("npx");
            command.args(["--yes", ESBUILD]);
            command
        }
    }
}

fn arguments(project: &Project, config: &TsConfig) -> Vec<OsString> {
    let fixed = [
        "--bundle",
        "--format=esm",
        "--target=es2024",
        "--platform=browser",
        "--conditions=workerd,worker,browser",
        "--define:process.env.NODE_ENV=\"production\"",
        "--external:cloudflare:*",
        "--external:node:*",
        "--sourcemap=linked",
        "--sources-content=false",
        "--entry-names=index",
        "--asset-names=[name]-[hash]",
        "--loader:.js=jsx",
        "--loader:.mjs=jsx",
        "--loader:.cjs=jsx",
        "--log-level=warning",
        "--color=false",
    ];
    let mut all: Vec<OsString> = fixed.map(OsString::from).into();
    let globs = project.rules.iter().filter(|rule| rule.content_type != modules::ES_MODULE);
    let globs = globs.filter_map(|rule| rule.pattern.as_str().rsplit_once("*."));
    let extensions = globs.map(|(_, extension)| extension).chain(COPIED.iter().copied());
    all.extend(extensions.map(|extension| format!("--loader:.{extension}=copy").into()));
    for (name, value) in &project.options.define {
        all.push(format!("--define:{name}={value}").into());
    }
    for (name, value) in &project.options.alias {
        all.push(format!("--alias:{name}={value}").into());
    }
    if let Some(factory) = &project.options.jsx_factory {
        all.push(format!("--jsx-factory={factory}").into());
    }
    if let Some(fragment) = &project.options.jsx_fragment {
        all.push(format!("--jsx-fragment={fragment}").into());
    }
    if let Some(file) = config.file.as_ref().and_then(|file| fs::canonicalize(file).ok()) {
        all.push(option("--tsconfig=", &file));
    }
    all
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}

fn run(command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::Failed(format!(
            "the worker must be bundled, and `{program}` is not there: install Node.js \
             (https://nodejs.org), which brings it; or bundle by other means and set \
             \"no_bundle\": true"
        )),
        _ => Error::os(format_args!("`{program}` can not be run"), error),
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let said = output::plain(said.trim(), SAID_CHARS_MAX);
    if output.status.success() {
        if !said.is_empty() {
            output::note(said);
        }
        return Ok(());
    }
    Err(Error::Failed(format!("bundling with `{program}` failed ({})\n{said}", output.status)))
}

/// Adds the files that the bundle was made from, packages aside.
fn note_inputs(dir: &Path, meta: &Path, sources: &mut Sources) {
    let text = fs::read_to_string(meta).unwrap_or_default();
    let meta: Value = serde_json::from_str(&text).unwrap_or_default();
    let inputs = meta["inputs"].as_object();
    for input in inputs.into_iter().flat_map(|inputs| inputs.keys()) {
        if !input.split('/').any(|part| part == "node_modules") {
            sources.file(&dir.join(input));
        }
    }
}

/// Lets the source map name files from the project's directory, wherever the bundle was made.
fn direct_map(root: &Path, modules: &Path) {
    let file = modules.join(format!("{MAIN}.map"));
    let Ok(text) = fs::read_to_string(&file) else { return };
    let Ok(mut map) = serde_json::from_str::<Value>(&text) else { return };
    for source in map["sources"].as_array_mut().into_iter().flatten() {
        let path: Option<PathBuf> = source.as_str().map(|text| plain(&modules.join(text)));
        let inside = path.as_deref().and_then(|path| path.strip_prefix(root).ok());
        if let Some(inside) = inside.and_then(Path::to_str) {
            *source = inside.into();
        }
    }
    // The directory is this run's own; without a map, positions are those of the bundle.
    let _ = fs::write(&file, map.to_string());
}
