//! `.dev.vars`: values for development, which take the place of variables and secrets.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::sources::Sources;
use crate::error::Error;

/// The file, beside the `wrangler` file.
const FILE: &str = ".dev.vars";
/// Bytes of it.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Puts the values of the directory's file into an upload's metadata, as secrets.
pub(crate) fn add(
    dir: &Path,
    metadata: &mut Map<String, Value>,
    sources: &mut Sources,
) -> Result<(), Error> {
    let file = dir.join(FILE);
    sources.file(&file);
    let unreadable = |error| Error::os(format_args!("{} can not be read", file.display()), error);
    match fs::metadata(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(found) if found.len() > FILE_BYTES_MAX => {
            let why = format!("{} is larger than {FILE_BYTES_MAX} bytes", file.display());
            return Err(Error::Failed(why));
        }
        found => found.map_err(unreadable)?,
    };
    let text = fs::read(&file).map_err(unreadable)?;
    let bindings = metadata.entry("bindings").or_insert_with(|| json!([]));
    let Value::Array(bindings) = bindings else { return Ok(()) };
    for pair in dotenvy::from_read_iter(text.as_slice()) {
        let (name, value) = pair.map_err(|error| malformed(&file, &text, &error))?;
        bindings.retain(|binding| binding["name"] != name.as_str());
        bindings.push(json!({"type": "secret_text", "name": name, "text": value}));
    }
    Ok(())
}

/// The line is named and not shown: it may hold a secret.
fn malformed(file: &Path, text: &[u8], error: &dotenvy::Error) -> Error {
    let dotenvy::Error::LineParse(line, _) = error else {
        return Error::os(format_args!("{} can not be read", file.display()), error);
    };
    let text = String::from_utf8_lossy(text);
    let at = text.lines().position(|found| found.trim() == line.trim()).unwrap_or(0);
    Error::Failed(format!("{}:{}:1: this is not NAME=VALUE", file.display(), at + 1))
}
