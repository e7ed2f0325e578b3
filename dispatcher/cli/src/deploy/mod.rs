//! `bindery deploy`: uploads a worker from a directory.

mod document;
mod modules;
mod upload;
mod wrangler;

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::api::{self, Api};
use crate::config::ClientArgs;
use crate::error::Error;
use crate::output;
use document::Document;
use modules::Module;
use upload::Form;
use wrangler::Project;

/// Bytes of a `wrangler` file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery deploy examples/hello --tenant acme
      what its wrangler.jsonc or wrangler.toml describes
  bindery deploy dist --tenant acme --main index.js
      one module and what lies beside it, as worker `main` of tenant `acme`
  bindery deploy . --tenant acme --name api --no-deploy --json
      a new version that does not serve yet";

/// What `deploy` is told.
#[derive(Args, Debug)]
pub(crate) struct DeployArgs {
    /// Directory of the worker
    dir: PathBuf,
    /// Whose worker it is
    #[arg(long, value_name = "T", value_parser = api::label)]
    tenant: String,
    /// The worker's name [default: `name` of the wrangler file, else main]
    #[arg(long, value_name = "W", value_parser = api::label)]
    name: Option<String>,
    /// Main module, relative to DIR; the other files of DIR that could be modules go with it
    #[arg(long, value_name = "FILE")]
    main: Option<String>,
    /// Upload a version, and leave what serves now
    #[arg(long)]
    no_deploy: bool,
    /// Print the server's answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// Uploads a worker.
pub(crate) fn run(args: &DeployArgs) -> Result<(), Error> {
    let project = match &args.main {
        Some(main) => plain(&args.dir, main)?,
        None => described(&args.dir)?,
    };
    for warning in &project.warnings {
        output::note(format_args!("warning: {warning}"));
    }
    let name = args.name.clone().or(project.name).unwrap_or_else(|| "main".to_owned());
    let name = api::label(&name).map_err(Error::Failed)?;
    let modules = modules::find(&project.base, &project.main, &project.rules, project.others)?;
    let mut metadata = project.metadata;
    metadata.insert("main_module".into(), project.main.into());
    let form = Form::new(&metadata.into(), &modules);

    let query = if args.no_deploy { "?deploy=false" } else { "" };
    let path = format!("/v1/tenants/{}/workers/{name}{query}", args.tenant);
    let api = Api::open(&args.client)?;
    let answer = api.upload(&path, &form.content_type(), form.length(), &mut form.reader())?;
    if args.json {
        return output::json(&answer);
    }
    let text = |value: &Value| output::plain(value.as_str().unwrap_or("?"), 2_000);
    for warning in answer["startup"]["warnings"].as_array().into_iter().flatten() {
        output::note(format_args!("warning: {}", text(warning)));
    }
    output::line(format_args!("version {}", text(&answer["version"])))?;
    output::line(format_args!("url     {}", text(&answer["url"])))?;
    for route in answer["routes"].as_array().into_iter().flatten() {
        output::line(format_args!("route   {}", text(route)))?;
    }
    Ok(())
}

/// Uploads a worker of one module as `main` of a tenant.
pub(crate) fn one_module(
    api: &Api,
    tenant: &str,
    source: String,
    limits: &Value,
) -> Result<(), Error> {
    let date = bindery_wire::compat::NEWEST;
    let metadata = json!({"main_module": "main.js", "compatibility_date": date, "limits": limits});
    let module = Module {
        name: "main.js".into(),
        content_type: modules::ES_MODULE,
        bytes: source.into_bytes(),
    };
    let form = Form::new(&metadata, &[module]);
    let path = format!("/v1/tenants/{tenant}/workers/main");
    api.upload(&path, &form.content_type(), form.length(), &mut form.reader()).map(drop)
}

/// A directory with its main module named on the command line.
fn plain(dir: &Path, main: &str) -> Result<Project, Error> {
    let path: PathBuf =
        Path::new(main).components().filter(|part| *part != Component::CurDir).collect();
    let Some(name) = wrangler::slashed(&path).filter(|name| !name.is_empty()) else {
        return Err(Error::Usage(format!("--main is `{main}`: give a path below DIR")));
    };
    if let Some(why) = wrangler::needs_bundling(&name) {
        return Err(Error::Failed(why));
    }
    if !dir.join(&path).is_file() {
        return Err(Error::Failed(format!("there is no file {}", dir.join(&path).display())));
    }
    let date = json!(bindery_wire::compat::NEWEST);
    Ok(Project {
        name: None,
        main: name,
        base: dir.to_owned(),
        rules: Vec::new(),
        others: true,
        metadata: Map::from_iter([("compatibility_date".to_owned(), date)]),
        warnings: Vec::new(),
    })
}

/// A directory whose `wrangler` file says what it is.
fn described(dir: &Path) -> Result<Project, Error> {
    let files = wrangler::FILES.iter().map(|file| dir.join(file));
    for file in files {
        let size = match fs::metadata(&file) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(&file, &error)),
        };
        if size > FILE_BYTES_MAX {
            let why = format!("{} is larger than {FILE_BYTES_MAX} bytes", file.display());
            return Err(Error::Failed(why));
        }
        let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
        let project = Document::parse(&file, text)
            .map_err(|problem| vec![problem])
            .and_then(|document| wrangler::read(dir, &document));
        return project.map_err(|lines| Error::Several {
            heading: format!("{} can not be deployed", dir.display()),
            lines,
        });
    }
    if !dir.is_dir() {
        return Err(Error::Failed(format!("{} is not a directory", dir.display())));
    }
    Err(Error::Usage(format!(
        "{} holds no {}: name the main module with --main FILE",
        dir.display(),
        wrangler::FILES.join(" or ")
    )))
}

fn unreadable(file: &Path, error: &io::Error) -> Error {
    Error::os(format_args!("{} can not be read", file.display()), error)
}
