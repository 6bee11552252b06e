//! Collects the messages of Rust sources and templates into a `.pot` file.
//!
//! `cyclone-gettext [--formats] [--output FILE] PATH...`

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cyclone_web::locale::Extractor;

const USAGE: &str = "\
Collects the messages of Rust sources and templates into a .pot file.

Usage: cyclone-gettext [--formats] [--output FILE] PATH...

  PATH           a file, or a folder with all that it has: .rs, and templates
                 (.html .htm .xml .txt .j2 .jinja .jinja2); names that begin
                 with a dot and folders called `target` are left out
  --output FILE  where to write; to standard output unless given
  --formats      adds the words that dates and lists are written with

Then: msginit --locale=pl --input=FILE, or msgmerge --update pl.po FILE
";

/// Deepest folder that is looked into, and the ends of the names of templates.
const MAX_DEPTH: usize = 64;
const TEMPLATES: [&str; 7] = ["html", "htm", "xml", "txt", "j2", "jinja", "jinja2"];

#[derive(Default)]
struct Options {
    paths: Vec<PathBuf>,
    output: Option<PathBuf>,
    formats: bool,
    help: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = std::env::args_os().skip(1);
    let mut only_paths = false;
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--") if !only_paths => only_paths = true,
            Some("--help" | "-h") if !only_paths => options.help = true,
            Some("--formats") if !only_paths => options.formats = true,
            Some("--output" | "-o") if !only_paths => {
                let file = arguments.next().ok_or("--output needs a file")?;
                options.output = Some(file.into());
            }
            Some(option) if option.starts_with('-') && !only_paths => {
                return Err(format!("option `{option}` is not known"));
            }
            _ => options.paths.push(argument.into()),
        }
    }
    if options.paths.is_empty() && !options.help {
        return Err("a path is missing".to_owned());
    }
    Ok(options)
}

fn run() -> Result<(), String> {
    let options = options().map_err(|problem| format!("{problem}\n\n{USAGE}"))?;
    if options.help {
        return print(USAGE);
    }
    let mut extractor = Extractor::new();
    for path in &options.paths {
        add(&mut extractor, path, 0)?;
    }
    if options.formats {
        extractor.formats();
    }
    let pot = extractor.to_pot();
    match options.output {
        Some(path) => fs::write(&path, pot).map_err(|error| failed(&path, &error)),
        None => print(&pot),
    }
}

fn print(text: &str) -> Result<(), String> {
    let written = io::stdout().lock().write_all(text.as_bytes());
    written.map_err(|error| format!("standard output: {error}"))
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn add(extractor: &mut Extractor, path: &Path, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("{}: folders are nested too deep", path.display()));
    }
    if fs::metadata(path)
        .map_err(|error| failed(path, &error))?
        .is_dir()
    {
        let entries = fs::read_dir(path).and_then(|entries| {
            let paths = entries.map(|entry| entry.map(|entry| entry.path()));
            paths.collect::<io::Result<Vec<_>>>()
        });
        let mut entries = entries.map_err(|error| failed(path, &error))?;
        entries.sort();
        let kept = entries.iter().filter(|entry| is_kept(entry));
        return kept
            .into_iter()
            .try_for_each(|entry| add(extractor, entry, depth + 1));
    }
    let end = path
        .extension()
        .and_then(|end| end.to_str())
        .unwrap_or_default();
    let is_rust = end == "rs";
    if !is_rust && !TEMPLATES.contains(&end) {
        if depth == 0 {
            return Err(format!("{}: neither Rust nor a template", path.display()));
        }
        return Ok(());
    }
    let source = fs::read_to_string(path).map_err(|error| failed(path, &error))?;
    let name = path.to_string_lossy().replace('\\', "/");
    let name = name.strip_prefix("./").unwrap_or(&name);
    let added = if is_rust {
        extractor.rust(name, &source)
    } else {
        extractor.template(name, &source)
    };
    added.map_err(|error| error.to_string())
}

fn is_kept(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| !name.starts_with('.') && name != "target") && !path.is_symlink()
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(io::stderr().lock(), "cyclone-gettext: {problem}");
            ExitCode::FAILURE
        }
    }
}
