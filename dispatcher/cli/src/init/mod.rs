//! `bindery init`: a small worker to begin with.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use bindery_wire::{compat, name};
use clap::Args;

use crate::error::Error;
use crate::output;

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery init hello && bindery dev hello
  bindery init --typescript

No file is ever overwritten.";

/// What `init` is told.
#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// Directory of the worker, made if it is not there
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Write TypeScript
    #[arg(long)]
    typescript: bool,
}

const JS: &[(&str, &str)] = &[
    ("wrangler.jsonc", include_str!("wrangler.jsonc")),
    ("src/index.js", include_str!("index.js")),
    (".gitignore", include_str!("gitignore")),
    ("README.md", include_str!("README.txt")),
];
const TS: &[(&str, &str)] = &[
    ("wrangler.jsonc", include_str!("wrangler.jsonc")),
    ("src/index.ts", include_str!("index.ts")),
    ("tsconfig.json", include_str!("tsconfig.json")),
    (".gitignore", include_str!("gitignore")),
    ("README.md", include_str!("README.txt")),
];

/// Writes the files, or none of them if one is there.
pub(crate) fn run(args: &InitArgs) -> Result<(), Error> {
    let files = if args.typescript { TS } else { JS };
    let there: Vec<String> = files
        .iter()
        .map(|(file, _)| args.dir.join(file))
        .filter(|path| fs::symlink_metadata(path).is_ok())
        .map(|path| path.display().to_string())
        .collect();
    if !there.is_empty() {
        let heading = "nothing was written, for these are there".to_owned();
        return Err(Error::Several { heading, lines: there });
    }
    let name = worker_name(&args.dir);
    for (file, text) in files {
        let path = args.dir.join(file);
        let text = text
            .replace("NAME", &name)
            .replace("DATE", compat::NEWEST)
            .replace("MAIN", if args.typescript { "src/index.ts" } else { "src/index.js" });
        write(&path, &text).map_err(|error| {
            Error::os(format_args!("{} can not be written", path.display()), error)
        })?;
        output::line(format_args!("{}", path.display()))?;
    }
    output::note(format_args!("next: bindery dev {}", args.dir.display()));
    Ok(())
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// The directory's name as far as a worker can have it.
fn worker_name(dir: &Path) -> String {
    let full = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let folder = full.file_name().map(|name| name.to_string_lossy().to_lowercase());
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let folder: String = folder.unwrap_or_default().chars().map(plain).collect();
    let parts: Vec<&str> = folder.split('-').filter(|part| !part.is_empty()).collect();
    let name: String = parts.join("-").chars().take(name::NAME_BYTES_MAX).collect();
    let name = name.trim_end_matches('-');
    if name::check_label(name).is_ok() { name.to_owned() } else { "worker".to_owned() }
}
