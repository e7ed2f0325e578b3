//! The metadata of an upload, and with the modules the manifest.

use std::collections::BTreeSet;

use bindery_wire::Limits;
use bindery_wire::compat::{check_date, check_flag};
use bindery_wire::limits::{ENV_BYTES_MAX, Lower};
use bindery_wire::manifest::{Binding, Compat, FORMAT, Manifest, Outbound};
use serde_json::value::RawValue;

use super::bindings::{self, BINDING_TYPES, Bindings};
use super::modules;
use super::parts::Parts;
use super::{routes, services, triggers};
use crate::admin::fields::{Faults, Fields, shown};
use crate::limit;
use crate::problem::Problem;
use crate::registry::{Deploy, Upload};

/// Fields that have no meaning here.
const IGNORED: [&str; 6] =
    ["placement", "usage_model", "observability", "tags", "annotations", "logpush"];
/// Fields that a later release owns.
const NOT_YET: [&str; 1] = ["migrations"];
/// Compatibility flags of one version.
pub(crate) const FLAG_COUNT_MAX: usize = 100;

/// What the worker has already.
#[derive(Debug)]
pub(super) struct Known {
    /// The names of its secrets.
    pub(super) secrets: BTreeSet<String>,
    /// What serves now.
    pub(super) deployed: Option<Manifest>,
    /// The server's domain.
    pub(super) domain: String,
    /// The limits that apply to it before its own.
    pub(super) limits: Limits,
}

/// Checks all of an upload. Gives it with what its author should know.
pub(super) fn check(
    mut parts: Parts,
    known: &Known,
    deploy: Deploy,
) -> Result<(Upload, Vec<String>), Problem> {
    let mut faults = Faults::default();
    let metadata = parts.metadata.take();
    let text = match metadata.as_deref().map(std::str::from_utf8) {
        Some(Ok(text)) => Some(text),
        Some(Err(_)) => {
            faults.add("metadata", "not UTF-8");
            None
        }
        None => {
            faults.add("metadata", "the upload has no part `metadata`");
            None
        }
    };
    let fields = text.and_then(|text| Fields::read("metadata", text, &mut faults));
    let Read { mut manifest, secrets, warnings } =
        fields.map(|fields| read(fields, known, &mut faults)).unwrap_or_default();
    let main = Some(manifest.main_module.as_str()).filter(|main| !main.is_empty());
    let checked = modules::check(parts, main, &mut faults);
    faults.pass()?;
    let mut modules = Vec::with_capacity(checked.len());
    for (name, (module, bytes)) in checked {
        manifest.modules.insert(name.clone(), module);
        modules.push((name, bytes));
    }
    Ok((Upload { manifest, modules, secrets, deploy }, warnings))
}

/// What the metadata says.
struct Read {
    manifest: Manifest,
    secrets: Vec<(String, String)>,
    warnings: Vec<String>,
}

impl Default for Read {
    fn default() -> Self {
        let manifest = Manifest {
            format: FORMAT,
            main_module: String::new(),
            modules: Default::default(),
            bindings: Default::default(),
            compat: Compat { date: String::new(), flags: Vec::new() },
            limits: Default::default(),
            outbound: Outbound::Public,
            previews: true,
            routes: Vec::new(),
            queue_consumers: Vec::new(),
            crons: Vec::new(),
            given: None,
        };
        Self { manifest, secrets: Vec::new(), warnings: Vec::new() }
    }
}

fn read(mut fields: Fields<'_>, known: &Known, faults: &mut Faults) -> Read {
    let mut read = Read::default();
    let manifest = &mut read.manifest;
    manifest.main_module = fields.need("main_module", "a string", faults).unwrap_or_default();
    manifest.compat = compat(&mut fields, faults);
    manifest.limits = fields.limits("limits", faults);
    read.warnings.extend(without_effect(&manifest.limits, &known.limits));
    manifest.outbound = services::outbound(&mut fields, faults);
    manifest.previews = fields.take("previews", "true or false", faults).unwrap_or(true);
    manifest.routes = routes::read(&mut fields, &known.domain, (&mut *faults, &mut read.warnings));
    manifest.queue_consumers = triggers::consumers(&mut fields, faults);
    manifest.crons = triggers::crons(&mut fields, faults);
    let list: Vec<&RawValue> = fields.take("bindings", "a list", faults).unwrap_or_default();
    let Bindings { mut bindings, secrets } = bindings::read(&list, known, faults);
    for (name, binding) in kept(&mut fields, known, faults) {
        bindings.entry(name).or_insert(binding);
    }
    check_size(&bindings, &secrets, faults);
    manifest.bindings = bindings;
    read.secrets = secrets.into_iter().collect();
    for name in IGNORED {
        if fields.raw(name).is_some() {
            read.warnings.push(format!("`{name}` has no meaning here and is ignored"));
        }
    }
    for name in NOT_YET {
        if fields.raw(name).is_some_and(|json| !is_empty(json)) {
            faults.add(fields.path(name), format!("{name} is not supported yet"));
        }
    }
    fields.finish(faults);
    read
}

/// A warning for each limit that is over the one that applies anyway.
pub(in crate::admin) fn without_effect(lower: &Lower, limits: &Limits) -> Vec<String> {
    let over = lower.over(limits).into_iter();
    let warning = |(name, asked, max)| {
        format!("`limits.{name}` is {asked}, which is over {max}: the lowest applies, {max}")
    };
    over.map(warning).collect()
}

fn is_empty(json: &str) -> bool {
    json.chars().filter(|c| !c.is_whitespace()).eq("[]".chars())
}

fn compat(fields: &mut Fields<'_>, faults: &mut Faults) -> Compat {
    let date: Option<String> = fields.need("compatibility_date", "YYYY-MM-DD", faults);
    if let Some(date) = &date {
        faults.check(fields.path("compatibility_date"), check_date(date));
    }
    let path = fields.path("compatibility_flags");
    let mut flags: Vec<String> =
        fields.take("compatibility_flags", "a list of strings", faults).unwrap_or_default();
    if flags.len() > FLAG_COUNT_MAX {
        faults.add(&path, format!("{} flags; {}", flags.len(), limit::FLAGS.fixed()));
        flags.clear();
    }
    for (at, flag) in flags.iter().enumerate() {
        faults.check(format!("{path}[{at}]"), check_flag(flag));
    }
    Compat { date: date.unwrap_or_default(), flags }
}

/// The bindings of the deployed version whose types are to be kept. Secrets are the worker's own:
/// they are kept in any case.
fn kept(fields: &mut Fields<'_>, known: &Known, faults: &mut Faults) -> Vec<(String, Binding)> {
    let path = fields.path("keep_bindings");
    let types: Vec<String> =
        fields.take("keep_bindings", "a list of strings", faults).unwrap_or_default();
    for (at, kind) in types.iter().enumerate() {
        if !BINDING_TYPES.contains(&kind.as_str()) {
            let message = format!("\"{}\" is not a type of binding that is supported", shown(kind));
            faults.add(format!("{path}[{at}]"), message);
        }
    }
    let wanted = |binding: &Binding| types.iter().any(|wanted| wanted == binding.type_name());
    let is_there = |name: &str, binding: &Binding| {
        *binding != Binding::SecretText || known.secrets.contains(name)
    };
    let deployed = known.deployed.iter().flat_map(|manifest| &manifest.bindings);
    let kept = deployed.filter(|(name, binding)| wanted(binding) && is_there(name, binding));
    kept.map(|(name, binding)| (name.clone(), binding.clone())).collect()
}

/// What is known of the size of `env` already: the worker's other secrets come on top.
fn check_size(
    bindings: &std::collections::BTreeMap<String, Binding>,
    secrets: &std::collections::BTreeMap<String, String>,
    faults: &mut Faults,
) {
    let value = |(name, binding): (&String, &Binding)| {
        let secret = secrets.get(name).map_or(0, String::len);
        (name.len() + binding.value_bytes() + secret) as u64
    };
    let bytes: u64 = bindings.iter().map(value).sum();
    if bytes > ENV_BYTES_MAX {
        let message = format!(
            "Worker env size ({bytes} bytes) exceeds the maximum allowed size of \
             {ENV_BYTES_MAX} bytes. ({})",
            limit::ENV.fixed()
        );
        faults.add("bindings", message);
    }
}
