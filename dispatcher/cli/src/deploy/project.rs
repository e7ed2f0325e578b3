//! A directory as an upload: read, built, its scripts compiled, bundled if there is no other way.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};

use super::document::Document;
use super::graph::{self, Place};
use super::modules::{self, Module};
use super::sources::Sources;
use super::tsconfig::TsConfig;
use super::wrangler::{self, Project};
use super::{bundle, variables};
use crate::error::Error;

/// Bytes of a `wrangler` file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A directory that holds a worker.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    /// The directory.
    pub(crate) dir: PathBuf,
    /// The main module, if no `wrangler` file is to name it.
    pub(crate) main: Option<String>,
    /// Whose values the worker sees.
    pub(crate) stage: Stage,
}

/// What a worker is prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Somebody's server.
    Deployment,
    /// This machine, with the values of `.dev.vars`.
    Development,
}

/// A worker that can be uploaded.
pub(crate) struct Prepared {
    /// Its name, if its file has one.
    pub(crate) name: Option<String>,
    /// The `metadata` of the upload.
    pub(crate) metadata: Value,
    /// Its modules.
    pub(crate) modules: Vec<Module>,
    /// The directory that its modules' names, and those of their source maps, are relative to.
    pub(crate) base: PathBuf,
    /// What the person should know.
    pub(crate) warnings: Vec<String>,
}

impl Directory {
    /// Makes the upload. What was looked at is told even if there is none.
    pub(crate) fn prepare(&self, sources: &mut Sources) -> Result<Prepared, Error> {
        let mut project = match &self.main {
            Some(main) => plain(&self.dir, main)?,
            None => described(&self.dir, sources)?,
        };
        if self.stage == Stage::Development {
            variables::add(&self.dir, &mut project.metadata, sources)?;
        }
        // What a command makes is not what a person edits.
        let mut made = Sources::default();
        let seen = match &project.build {
            Some(build) => {
                build.run(&self.dir, sources)?;
                &mut made
            }
            None => &mut *sources,
        };
        let main = project.base.join(&project.main);
        if !main.is_file() {
            seen.file(&main);
            return Err(Error::Failed(format!("there is no file {}", main.display())));
        }
        let config = TsConfig::read(&self.dir, project.options.tsconfig.as_deref(), seen)?;
        let config = project.options.over(config);
        let (main, modules, base) = self.modules(&project, &config, seen)?;
        let mut metadata = project.metadata;
        metadata.insert("main_module".into(), main.into());
        let (name, warnings) = (project.name, project.warnings);
        Ok(Prepared { name, metadata: metadata.into(), modules, base, warnings })
    }

    fn modules(
        &self,
        project: &Project,
        config: &TsConfig,
        sources: &mut Sources,
    ) -> Result<(String, Vec<Module>, PathBuf), Error> {
        let place = Place { base: &project.base, rules: &project.rules, config };
        if !graph::is_bundled(&project.main) {
            let reached = graph::follow(&place, &project.main, sources);
            let reached = reached.map_err(|lines| refused(&self.dir, lines))?;
            let needed = reached.bundle || project.options.is_bundlers();
            if project.no_bundle || !needed {
                let mut modules = reached.modules;
                if project.others {
                    modules::add_others(&project.base, &project.rules, &mut modules, sources)?;
                }
                return Ok((project.main.clone(), modules, project.base.clone()));
            }
        }
        let (main, modules) = bundle::bundle(&self.dir, project, config, sources)?;
        Ok((main, modules, self.dir.clone()))
    }
}

fn refused(dir: &Path, lines: Vec<String>) -> Error {
    Error::Several { heading: format!("{} can not be deployed", dir.display()), lines }
}

/// A directory with its main module named on the command line.
fn plain(dir: &Path, main: &str) -> Result<Project, Error> {
    let path: PathBuf =
        Path::new(main).components().filter(|part| *part != Component::CurDir).collect();
    let Some(name) = wrangler::slashed(&path).filter(|name| !name.is_empty()) else {
        return Err(Error::Usage(format!("--main is `{main}`: give a path below DIR")));
    };
    let date = json!(bindery_wire::compat::NEWEST);
    let metadata = Map::from_iter([("compatibility_date".to_owned(), date)]);
    Ok(Project { main: name, base: dir.to_owned(), others: true, metadata, ..Project::default() })
}

/// A directory whose `wrangler` file says what it is.
fn described(dir: &Path, sources: &mut Sources) -> Result<Project, Error> {
    let files: Vec<PathBuf> = wrangler::FILES.iter().map(|file| dir.join(file)).collect();
    for file in &files {
        sources.file(file);
    }
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
            .and_then(|document| wrangler::read(dir, &document, sources));
        return project.map_err(|lines| refused(dir, lines));
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
