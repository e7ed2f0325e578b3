//! `bindery deploy`: uploads a worker from a directory.

mod build;
mod bundle;
mod document;
mod graph;
mod keys;
mod modules;
mod project;
mod resources;
mod script;
mod sources;
mod tsconfig;
mod upload;
mod variables;
mod wrangler;

pub(crate) use project::{Directory, Prepared, Stage};
pub(crate) use sources::{Sources, plain};
pub(crate) use upload::Form;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::api::{self, Api, Worker};
use crate::config::ClientArgs;
use crate::error::Error;
use crate::output;
use modules::Module;

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery deploy examples/hello --tenant acme
      what its wrangler.jsonc or wrangler.toml describes
  bindery deploy dist --tenant acme --main index.js
      one module and what lies beside it, as worker `main` of tenant `acme`
  bindery deploy . --tenant acme --name api --no-deploy --json
      a new version that does not serve yet

TypeScript and JSX are compiled here; types are not checked. A worker that imports packages is
bundled with the project's esbuild, or with `npx esbuild`, unless its file says \"no_bundle\": true.";

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
    let (dir, main) = (args.dir.clone(), args.main.clone());
    let directory = Directory { dir, main, stage: Stage::Deployment };
    let prepared = directory.prepare(&mut Sources::default())?;
    for warning in &prepared.warnings {
        output::note(format_args!("warning: {warning}"));
    }
    let name = args.name.clone().or(prepared.name.clone()).unwrap_or_else(|| "main".to_owned());
    let worker =
        Worker { tenant: args.tenant.clone(), worker: api::label(&name).map_err(Error::Failed)? };
    let api = Api::open(&args.client)?;
    let query = if args.no_deploy { "?deploy=false" } else { "" };
    let answer = upload(&api, &format!("{}{query}", worker.path()), &form(&prepared))?;
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

/// The body of an upload of what was prepared.
pub(crate) fn form(prepared: &Prepared) -> Form {
    Form::new(&prepared.metadata, &prepared.modules)
}

/// Uploads. Gives the server's answer.
pub(crate) fn upload(api: &Api, path: &str, form: &Form) -> Result<Value, Error> {
    api.upload(path, &form.content_type(), form.length(), &mut form.reader())
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
    upload(api, &path, &form).map(drop)
}
