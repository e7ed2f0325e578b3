//! One script of a project: its imports, and its JavaScript if it is TypeScript or holds JSX.
//!
//! Types are stripped and JSX is turned into calls; nothing is lowered, for the engine is new. What
//! is written anew comes with a source map, so that positions stay those of the file.

use std::path::Path;

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    Decorator, ExportAllDeclaration, ExportFromDeclaration, Expression, ImportDeclaration,
    ImportExpression, JSXElement, JSXFragment, Program, StringLiteral,
};
use oxc::ast_visit::{VisitMut, walk_mut};
use oxc::codegen::{Codegen, CodegenOptions};
use oxc::diagnostics::Diagnostics;
use oxc::parser::Parser;
use oxc::semantic::SemanticBuilder;
use oxc::span::SourceType;
use oxc::transformer::{JsxOptions, JsxRuntime, TransformOptions, Transformer};

use super::tsconfig::TsConfig;
use crate::excerpt::{Place, excerpt};
use crate::output::plain;

/// Problems of one file that are told.
const PROBLEM_COUNT_MAX: usize = 10;
/// Characters of a message that are shown.
const MESSAGE_CHARS_MAX: usize = 500;

/// A script's text.
pub(crate) struct Script<'a> {
    /// Its path, as messages name it; its extension says what it is.
    pub(crate) file: &'a str,
    /// Its file's name, which stands in the source map.
    pub(crate) source: &'a str,
    /// Its text.
    pub(crate) text: &'a str,
}

/// What is to become of an import.
pub(crate) enum Target {
    /// It stands as it is.
    Keep,
    /// It names the module so.
    Rename(String),
    /// There is no such module.
    Missing(String),
}

/// A script that was written anew.
pub(crate) struct Written {
    /// The JavaScript.
    pub(crate) code: String,
    /// The source map.
    pub(crate) map: String,
}

/// What was found in a script.
pub(crate) struct Compiled {
    /// The script written anew, or nothing if it can stand as it is.
    pub(crate) written: Option<Written>,
    /// Whether it holds decorators, which the engine does not know.
    pub(crate) decorated: bool,
}

/// Compiles a script. Each import is shown to `resolve`, with whether it is a static one.
pub(crate) fn compile(
    script: &Script<'_>,
    config: &TsConfig,
    resolve: &mut dyn FnMut(&str, bool) -> Target,
) -> Result<Compiled, Vec<String>> {
    let kind = SourceType::from_path(script.file)
        .map_err(|_| vec![format!("{}: this is not a script", script.file)])?;
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, script.text, kind).parse();
    script.check(&parsed.diagnostics)?;
    let mut program = parsed.program;
    let mut features = Features::default();
    features.visit_program(&mut program);
    let translated = kind.is_typescript() || features.jsx;
    if translated {
        script.translate(&allocator, &mut program, config)?;
    }
    let mut imports =
        Imports { allocator: &allocator, resolve, script, problems: vec![], renamed: false };
    imports.visit_program(&mut program);
    let Imports { problems, renamed, .. } = imports;
    if !problems.is_empty() {
        return Err(problems);
    }
    let written = (translated || renamed).then(|| script.print(&program));
    Ok(Compiled { written, decorated: features.decorated })
}

impl Script<'_> {
    fn check(&self, found: &Diagnostics) -> Result<(), Vec<String>> {
        let errors: Vec<String> = found
            .errors()
            .take(PROBLEM_COUNT_MAX)
            .map(|error| {
                let span = error.labels.first().map(|label| (label.offset(), label.len()));
                let (at, bytes) = span.unwrap_or((0, 0));
                let mut message = error.message.to_string();
                if let Some(help) = &error.help {
                    message.push_str(&format!(" ({help})"));
                }
                self.problem(at as usize, bytes as usize, &message)
            })
            .collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn problem(&self, at: usize, bytes: usize, message: &str) -> String {
        let place = Place::of(self.text, at, bytes);
        excerpt(self.file, self.text, place, &plain(message, MESSAGE_CHARS_MAX))
    }

    fn translate<'a>(
        &self,
        allocator: &'a Allocator,
        program: &mut Program<'a>,
        config: &TsConfig,
    ) -> Result<(), Vec<String>> {
        let analyzed = SemanticBuilder::new()
            .with_check_syntax_error(true)
            .with_enum_eval(true)
            .build(program);
        self.check(&analyzed.diagnostics)?;
        let options = options(config);
        let transformer = Transformer::new(allocator, Path::new(self.file), &options);
        let scoping = analyzed.semantic.into_scoping();
        self.check(&transformer.build_with_scoping(scoping, program).diagnostics)
    }

    fn print(&self, program: &Program<'_>) -> Written {
        let options = CodegenOptions {
            source_map_path: Some(self.source.into()),
            ..CodegenOptions::default()
        };
        let printed = Codegen::new().with_options(options).build(program);
        let map = printed.map.map(|mut map| {
            // The file is at hand where the map is read.
            map.set_source_contents(Vec::new());
            map.to_json_string()
        });
        Written { code: printed.code, map: map.unwrap_or_default() }
    }
}

fn options(config: &TsConfig) -> TransformOptions {
    let mut options = TransformOptions::default();
    let runtime = if config.automatic { JsxRuntime::Automatic } else { JsxRuntime::Classic };
    options.jsx = JsxOptions {
        runtime,
        import_source: config.import_source.clone().filter(|_| config.automatic),
        pragma: config.factory.clone().filter(|_| !config.automatic),
        pragma_frag: config.fragment.clone().filter(|_| !config.automatic),
        throw_if_namespace: false,
        ..JsxOptions::enable()
    };
    if let Some(factory) = &config.factory {
        options.typescript.jsx_pragma = factory.clone().into();
    }
    if let Some(fragment) = &config.fragment {
        options.typescript.jsx_pragma_frag = fragment.clone().into();
    }
    options.typescript.only_remove_type_imports = config.verbatim;
    options
}

/// What a script holds that the engine does not know.
#[derive(Default)]
struct Features {
    jsx: bool,
    decorated: bool,
}

impl<'a> VisitMut<'a> for Features {
    fn visit_jsx_element(&mut self, element: &mut JSXElement<'a>) {
        self.jsx = true;
        walk_mut::walk_jsx_element(self, element);
    }

    fn visit_jsx_fragment(&mut self, fragment: &mut JSXFragment<'a>) {
        self.jsx = true;
        walk_mut::walk_jsx_fragment(self, fragment);
    }

    fn visit_decorator(&mut self, _: &mut Decorator<'a>) {
        self.decorated = true;
    }
}

/// Shows every import to the resolver, and renames those that it says.
struct Imports<'a, 's> {
    allocator: &'a Allocator,
    resolve: &'s mut dyn FnMut(&str, bool) -> Target,
    script: &'s Script<'s>,
    problems: Vec<String>,
    renamed: bool,
}

impl<'a> Imports<'a, '_> {
    fn see(&mut self, source: &mut StringLiteral<'a>, is_static: bool) {
        match (self.resolve)(source.value.as_str(), is_static) {
            Target::Keep => {}
            Target::Rename(name) => {
                let name = self.allocator.alloc_str(&name);
                source.value = name.into();
                source.raw = None;
                self.renamed = true;
            }
            Target::Missing(message) if self.problems.len() < PROBLEM_COUNT_MAX => {
                let (at, end) = (source.span.start as usize, source.span.end as usize);
                self.problems.push(self.script.problem(at, end - at, &message));
            }
            Target::Missing(_) => {}
        }
    }
}

impl<'a> VisitMut<'a> for Imports<'a, '_> {
    fn visit_import_declaration(&mut self, import: &mut ImportDeclaration<'a>) {
        self.see(&mut import.source, true);
    }

    fn visit_export_from_declaration(&mut self, export: &mut ExportFromDeclaration<'a>) {
        self.see(&mut export.source, true);
    }

    fn visit_export_all_declaration(&mut self, export: &mut ExportAllDeclaration<'a>) {
        self.see(&mut export.source, true);
    }

    fn visit_import_expression(&mut self, import: &mut ImportExpression<'a>) {
        if let Expression::StringLiteral(source) = &mut import.source {
            self.see(source, false);
        }
        walk_mut::walk_import_expression(self, import);
    }
}
