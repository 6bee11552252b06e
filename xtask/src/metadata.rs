//! What `cargo metadata` tells about the packages, in the shape the commands need.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::workspace;

/// The packages of the workspace and everything they depend on, with all features on.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    /// Identifiers of the packages of the workspace.
    pub(crate) members: BTreeSet<String>,
    /// For each package, what it was resolved to depend on.
    pub(crate) edges: BTreeMap<String, Vec<Edge>>,
    pub(crate) target_directory: PathBuf,
}

/// One package, ours or foreign.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// `None` for a package of the workspace.
    pub(crate) source: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) rust_version: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) readme: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) keywords: usize,
    pub(crate) categories: usize,
    /// Whether `publish = false` is absent.
    pub(crate) published: bool,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) dependencies: Vec<Dependency>,
    /// Names of the binaries.
    pub(crate) binaries: Vec<String>,
}

/// A dependency as the manifest declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) optional: bool,
}

/// A dependency as it was resolved.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) package: String,
    /// Only needed for tests, examples and benches.
    pub(crate) only_dev: bool,
}

/// The section of the manifest a dependency stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

impl Metadata {
    /// Asks cargo. Needs no network when the lock file is complete and the crates are downloaded.
    pub(crate) fn load() -> Result<Self> {
        let text = workspace::output(&mut workspace::cargo([
            "metadata",
            "--format-version=1",
            "--all-features",
        ]))?;
        Self::parse(&serde_json::from_str(&text).context("cargo metadata printed no JSON")?)
    }

    fn parse(json: &Value) -> Result<Self> {
        let list = |value: &Value, key: &str| -> Result<Vec<Value>> {
            let list = value.get(key).and_then(Value::as_array).cloned();
            list.with_context(|| format!("cargo metadata has no list `{key}`"))
        };
        let mut metadata = Self {
            target_directory: PathBuf::from(text(json, "target_directory")?),
            ..Self::default()
        };
        for package in list(json, "packages")? {
            metadata.packages.push(Package::parse(&package)?);
        }
        for member in list(json, "workspace_members")? {
            let id = member.as_str().context("a member is no string")?;
            metadata.members.insert(id.to_owned());
        }
        for node in list(&json["resolve"], "nodes")? {
            let mut edges = Vec::new();
            for edge in list(&node, "deps")? {
                let kinds = list(&edge, "dep_kinds")?;
                edges.push(Edge {
                    package: text(&edge, "pkg")?,
                    only_dev: kinds.iter().all(|kind| kind["kind"] == "dev"),
                });
            }
            metadata.edges.insert(text(&node, "id")?, edges);
        }
        Ok(metadata)
    }

    /// The packages of the workspace, in the order of the manifest.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| self.members.contains(&package.id))
    }

    /// The packages of the workspace that go to crates.io.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Package> {
        self.ours().filter(|package| package.published)
    }

    /// The package of the workspace with this name.
    pub(crate) fn our(&self, name: &str) -> Option<&Package> {
        self.ours().find(|package| package.name == name)
    }

    /// Everything these packages need at run or build time, themselves included.
    pub(crate) fn closure<'a>(
        &'a self,
        roots: impl IntoIterator<Item = &'a Package>,
    ) -> Vec<&'a Package> {
        self.closure_above(roots, &[])
    }

    /// The [closure](Self::closure) without what is below packages of these names.
    pub(crate) fn closure_above<'a>(
        &'a self,
        roots: impl IntoIterator<Item = &'a Package>,
        bottom: &[&str],
    ) -> Vec<&'a Package> {
        let is_bottom = |id: &str| {
            let packages = self.packages.iter();
            packages
                .filter(|package| package.id == id)
                .any(|package| bottom.contains(&package.name.as_str()))
        };
        let mut open: Vec<&str> = roots.into_iter().map(|root| root.id.as_str()).collect();
        let mut seen: BTreeSet<&str> = open.iter().copied().collect();
        while let Some(id) = open.pop() {
            for edge in self.edges.get(id).into_iter().flatten() {
                if !edge.only_dev && seen.insert(&edge.package) && !is_bottom(&edge.package) {
                    open.push(&edge.package);
                }
            }
        }
        self.packages
            .iter()
            .filter(|package| seen.contains(package.id.as_str()))
            .collect()
    }
}

impl Package {
    fn parse(json: &Value) -> Result<Self> {
        let optional = |key: &str| json[key].as_str().map(str::to_owned);
        let count = |key: &str| json[key].as_array().map_or(0, Vec::len);
        let mut package = Self {
            id: text(json, "id")?,
            name: text(json, "name")?,
            version: text(json, "version")?,
            source: optional("source"),
            license: optional("license"),
            rust_version: optional("rust_version"),
            description: optional("description"),
            readme: optional("readme"),
            repository: optional("repository"),
            keywords: count("keywords"),
            categories: count("categories"),
            // `publish = false` is an empty list of registries; no entry means any registry.
            published: !json["publish"].as_array().is_some_and(Vec::is_empty),
            ..Self::default()
        };
        for (name, parts) in json["features"].as_object().into_iter().flatten() {
            let parts = parts.as_array().into_iter().flatten();
            let parts = parts.filter_map(Value::as_str).map(str::to_owned);
            package.features.insert(name.clone(), parts.collect());
        }
        for dependency in json["dependencies"].as_array().into_iter().flatten() {
            package.dependencies.push(Dependency {
                name: text(dependency, "name")?,
                kind: match dependency["kind"].as_str() {
                    Some("dev") => Kind::Dev,
                    Some("build") => Kind::Build,
                    _ => Kind::Normal,
                },
                optional: dependency["optional"] == true,
            });
        }
        for target in json["targets"].as_array().into_iter().flatten() {
            let kinds = target["kind"].as_array().into_iter().flatten();
            if kinds.filter_map(Value::as_str).any(|kind| kind == "bin") {
                package.binaries.push(text(target, "name")?);
            }
        }
        Ok(package)
    }
}

fn text(json: &Value, key: &str) -> Result<String> {
    let text = json.get(key).and_then(Value::as_str).map(str::to_owned);
    text.with_context(|| format!("cargo metadata has no `{key}`"))
}

#[cfg(test)]
pub(crate) mod fixture {
    //! A workspace made of words, for the tests of the checks.

    use super::*;

    /// A package of the workspace. Dependencies are `name`, `name?` (optional), `dev:name` or `build:name`.
    pub(crate) fn ours(name: &str, dependencies: &[&str]) -> Package {
        Package {
            id: format!("path+{name}"),
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            license: Some("MIT OR Apache-2.0".to_owned()),
            rust_version: Some("1.89".to_owned()),
            description: Some("words".to_owned()),
            readme: Some("README.md".to_owned()),
            repository: Some("somewhere".to_owned()),
            keywords: 1,
            categories: 1,
            published: true,
            dependencies: dependencies.iter().map(|word| dependency(word)).collect(),
            ..Package::default()
        }
    }

    /// A package from the registry.
    pub(crate) fn foreign(name: &str, version: &str) -> Package {
        Package {
            id: format!("registry+{name}@{version}"),
            name: name.to_owned(),
            version: version.to_owned(),
            source: Some("registry+https://github.com/rust-lang/crates.io-index".to_owned()),
            license: Some("MIT".to_owned()),
            rust_version: Some("1.70".to_owned()),
            published: true,
            ..Package::default()
        }
    }

    /// Puts packages together; the edges are found by name.
    pub(crate) fn metadata(packages: Vec<Package>) -> Metadata {
        let mut metadata = Metadata::default();
        for package in &packages {
            if package.source.is_none() {
                metadata.members.insert(package.id.clone());
            }
            let edges = package.dependencies.iter().flat_map(|dependency| {
                let targets = packages.iter().filter(|p| p.name == dependency.name);
                targets.map(|target| Edge {
                    package: target.id.clone(),
                    only_dev: dependency.kind == Kind::Dev,
                })
            });
            metadata.edges.insert(package.id.clone(), edges.collect());
        }
        metadata.packages = packages;
        metadata
    }

    pub(crate) fn dependency(word: &str) -> Dependency {
        let (kind, word) = match word.split_once(':') {
            Some(("dev", name)) => (Kind::Dev, name),
            Some(("build", name)) => (Kind::Build, name),
            _ => (Kind::Normal, word),
        };
        Dependency {
            name: word.trim_end_matches('?').to_owned(),
            kind,
            optional: word.ends_with('?'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{foreign, metadata, ours};
    use super::*;

    #[test]
    fn closure_leaves_out_what_only_tests_need() {
        let mut http = foreign("http", "1.0.0");
        http.dependencies.push(fixture::dependency("bytes"));
        let all = metadata(vec![
            ours("app", &["http", "dev:axum"]),
            http,
            foreign("axum", "0.8.0"),
            foreign("bytes", "1.0.0"),
        ]);
        let names: Vec<_> = all.closure(all.ours()).iter().map(|p| &p.name).collect();
        assert_eq!(names, ["app", "http", "bytes"]);
    }

    #[test]
    fn the_real_workspace_parses() {
        let all = Metadata::load().unwrap();
        let core = all.our("cyclone-core").unwrap();
        assert!(core.published);
        assert!(!all.our("xtask").unwrap().published);
        assert!(all.closure([core]).iter().any(|p| p.name == "tokio"));
        assert!(core.dependencies.iter().any(|d| d.kind == Kind::Dev));
    }
}
