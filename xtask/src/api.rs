//! `cargo xtask api`: whose types the public interfaces name.
//!
//! A type of a foreign crate in a public interface ties our versions to that crate's. Each such crate is a
//! decision, written down in [`ALLOWED`]. The interfaces are read from rustdoc's JSON, which the stable
//! compiler gives only when told it is a nightly; only rustdoc is told, so nothing is compiled differently.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::metadata::Metadata;
use crate::workspace;

/// The foreign crates a public interface of ours may name. `serde_core` is where serde's traits live;
/// `tokio_util` is tokio's own companion, and its `CancellationToken` how tokio programs say "stop". Programs under the
/// runner define their options by `clap`, which is its own `clap_builder`. `serde_json` and `url` are stable vocabulary of
/// JSON without a type and of URLs; files in a program are declared by a derive of `rust_embed`; the level of an expected line
/// of the log is `tracing`'s.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "cyclone-core",
        &[
            "bytes",
            "clap",
            "clap_builder",
            "futures_core",
            "opentelemetry",
            "tokio",
            "tokio_util",
        ],
    ),
    ("cyclone-sqlite", &["bytes", "rusqlite"]),
    (
        "cyclone-sse",
        &["bytes", "futures_core", "http", "http_body", "serde_core"],
    ),
    (
        "cyclone-websocket",
        &[
            "bytes",
            "futures_core",
            "http",
            "http_body",
            "serde_core",
            "tower_service",
        ],
    ),
    (
        "cyclone-web",
        &[
            "bytes",
            "futures_core",
            "http",
            "http_body",
            "minijinja",
            "rust_embed",
            "serde_core",
            "serde_json",
            "tokio",
            "tower_service",
            "tracing_core",
            "url",
        ],
    ),
];

const STANDARD: &[&str] = &["alloc", "core", "std"];

pub(crate) fn run(_: &[String]) -> Result<()> {
    let metadata = Metadata::load()?;
    let rustdoc = wrapper(&metadata.target_directory.join("xtask"))?;
    let mut problems = Vec::new();
    for package in metadata.published() {
        let mut command = workspace::cargo(["rustdoc", "--quiet", "--lib", "--all-features"]);
        command.args(["--package", &package.name, "--"]);
        // Warnings are the business of the step `docs`.
        command.args([
            "-Zunstable-options",
            "--output-format=json",
            "--cap-lints=allow",
        ]);
        workspace::run(command.env("RUSTDOC", &rustdoc))?;
        let name = package.name.replace('-', "_");
        let file = metadata.target_directory.join("doc").join(name + ".json");
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("rustdoc wrote no {}", file.display()))?;
        let uses = foreign_uses(&serde_json::from_str(&text)?)?;
        problems.extend(refused(&package.name, &uses));
    }
    for problem in &problems {
        println!("error[api] {problem}");
    }
    if !problems.is_empty() {
        bail!("api: {} errors", problems.len());
    }
    Ok(())
}

/// A `rustdoc` that takes unstable options.
fn wrapper(folder: &Path) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(folder)?;
    let path = folder.join("rustdoc");
    std::fs::write(&path, "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n")?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// For each foreign crate, the items of it that are named, and where one was.
type Uses = BTreeMap<String, BTreeSet<String>>;

fn refused(package: &str, uses: &Uses) -> Vec<String> {
    let allowed = ALLOWED.iter().find(|(name, _)| *name == package);
    let allowed = allowed.map_or(&[][..], |(_, crates)| crates);
    let refused = uses
        .iter()
        .filter(|(name, _)| !allowed.contains(&name.as_str()));
    refused
        .map(|(name, items)| {
            let items: Vec<&str> = items.iter().map(String::as_str).collect();
            let items = items.join(", ");
            format!("{package} names {name} in its public interface: {items}")
        })
        .collect()
}

/// What the public items of a crate name outside of the workspace and the standard library.
fn foreign_uses(json: &Value) -> Result<Uses> {
    let table = |key: &str| {
        let table = json.get(key).and_then(Value::as_object);
        table.with_context(|| format!("rustdoc's JSON has no `{key}`: has its format changed?"))
    };
    let (index, paths, crates) = (table("index")?, table("paths")?, table("external_crates")?);
    // Implementations for all types are not ours to answer for: `impl<T> Instrument for T`.
    let mut skipped = BTreeSet::new();
    for (id, item) in index {
        let implementation = &item["inner"]["impl"];
        if implementation["is_synthetic"] == true || implementation["blanket_impl"].is_object() {
            skipped.insert(id.clone());
            let items = implementation["items"].as_array().into_iter().flatten();
            skipped.extend(items.map(Value::to_string));
        }
    }
    let mut uses = Uses::new();
    for (id, item) in index {
        if item["crate_id"] != 0 || skipped.contains(id) {
            continue;
        }
        let mut named = BTreeSet::new();
        collect(&item["inner"], &mut named);
        for reference in named {
            let Some(path) = paths.get(&reference) else {
                continue;
            };
            let Some(owner) = crates.get(&path["crate_id"].to_string()) else {
                continue; // Our own.
            };
            let owner = owner["name"].as_str().unwrap_or_default();
            if !STANDARD.contains(&owner) && !owner.starts_with("cyclone_") {
                let parts = path["path"].as_array().into_iter().flatten();
                let parts: Vec<&str> = parts.filter_map(Value::as_str).collect();
                let place = item["name"].as_str().unwrap_or("an implementation");
                let items = uses.entry(owner.to_owned()).or_default();
                items.insert(format!("{} in {place}", parts.join("::")));
            }
        }
    }
    Ok(uses)
}

/// Every reference below a value: an object with an `id` and a `path` (a type or a trait) or a `source`
/// (a re-export).
fn collect(value: &Value, named: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(id) = fields.get("id").filter(|id| id.is_u64())
                && (fields.contains_key("path") || fields.contains_key("source"))
            {
                named.insert(id.to_string());
            }
            fields.values().for_each(|field| collect(field, named));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, named)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A crate with one function that takes a `deadpool::Pool`, an alias of a `Vec`, a re-export of
    /// `http::Uri`, and the blanket implementation of a trait of `tracing`.
    fn sample() -> Value {
        json!({
            "index": {
                "1": { "crate_id": 0, "name": "take", "inner": { "function": { "sig": { "inputs": [
                    ["pool", { "resolved_path": { "path": "Pool", "id": 10, "args": null } }]
                ] } } } },
                "2": { "crate_id": 0, "name": "List", "inner": { "type_alias": {
                    "type": { "resolved_path": { "path": "Vec", "id": 11 } } } } },
                "3": { "crate_id": 0, "name": null, "inner": { "use": { "source": "http::Uri", "id": 12 } } },
                "4": { "crate_id": 0, "name": null, "inner": { "impl": {
                    "is_synthetic": false, "blanket_impl": { "generic": "T" }, "items": [5],
                    "trait": { "path": "Instrument", "id": 13 } } } },
                "5": { "crate_id": 0, "name": "instrument", "inner": { "function": {
                    "output": { "resolved_path": { "path": "Span", "id": 13 } } } } },
            },
            "paths": {
                "10": { "crate_id": 7, "path": ["deadpool", "Pool"] },
                "11": { "crate_id": 1, "path": ["alloc", "vec", "Vec"] },
                "12": { "crate_id": 8, "path": ["http", "Uri"] },
                "13": { "crate_id": 9, "path": ["tracing", "Instrument"] },
            },
            "external_crates": {
                "1": { "name": "alloc" }, "7": { "name": "deadpool" },
                "8": { "name": "http" }, "9": { "name": "tracing" },
            },
        })
    }

    #[test]
    fn foreign_types_and_exports_are_found_and_blankets_are_not() {
        let uses = foreign_uses(&sample()).unwrap();
        let names: Vec<_> = uses.keys().map(String::as_str).collect();
        assert_eq!(names, ["deadpool", "http"]);
    }

    #[test]
    fn what_is_not_allowed_is_refused() {
        let uses = foreign_uses(&sample()).unwrap();
        let expected = "cyclone-web names deadpool in its public interface: deadpool::Pool in take";
        assert_eq!(refused("cyclone-web", &uses), [expected]);
        assert_eq!(refused("cyclone-mail", &uses).len(), 2);
    }

    #[test]
    fn another_format_is_an_error() {
        assert!(foreign_uses(&json!({ "index": {} })).is_err());
    }
}
