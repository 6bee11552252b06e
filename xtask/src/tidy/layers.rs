//! Which crate may know which: core ← drivers and protocols ← web ← examples.

use super::{Finding, Tree};
use crate::metadata::{Kind, Package};

/// What a crate of the workspace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Core,
    Driver,
    Protocol,
    Web,
    Examples,
    Tool,
}

const LAYERS: &[(&str, Layer)] = &[
    ("cyclone-core", Layer::Core),
    ("cyclone-redis", Layer::Driver),
    ("cyclone-mongo", Layer::Driver),
    ("cyclone-sqlite", Layer::Driver),
    ("cyclone-mail", Layer::Driver),
    ("cyclone-websocket", Layer::Protocol),
    ("cyclone-sse", Layer::Protocol),
    ("cyclone-rpc", Layer::Protocol),
    ("cyclone-web", Layer::Web),
    ("cyclone-examples", Layer::Examples),
    ("xtask", Layer::Tool),
];

/// Foreign crates that speak HTTP. A driver and the core have none of them.
const HTTP: &[&str] = &[
    "axum",
    "http",
    "http-body",
    "http-body-util",
    "hyper",
    "hyper-util",
    "tower",
    "tower-http",
    "tower-layer",
    "tower-service",
];

/// Foreign crates that speak to a database or a mail server. A protocol and the core have none.
const DATABASES: &[&str] = &[
    "lettre",
    "mongodb",
    "redis",
    "rusqlite",
    "sqlx",
    "tokio-postgres",
];

/// What may speak HTTP below the core, behind a feature and for itself alone: certificate authorities are asked over
/// HTTPS (RFC 8555).
const HTTP_OF_ITS_OWN: &[&str] = &["rustls-acme"];

fn layer(name: &str) -> Option<Layer> {
    let found = LAYERS.iter().find(|(known, _)| *known == name);
    found.map(|(_, layer)| *layer)
}

/// Each crate depends only on the layers below it, and the web on the others only by feature.
pub(super) fn dependencies_point_one_way(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in tree.metadata.ours() {
        let Some(own) = layer(&package.name) else {
            let message = "is in no layer; give it one in xtask/src/tidy/layers.rs";
            findings.push(Finding::error(&package.name, message));
            continue;
        };
        for dependency in &package.dependencies {
            let problem = match layer(&dependency.name) {
                Some(other) => between(own, other, dependency.kind, dependency.optional),
                None if dependency.kind == Kind::Dev => None,
                None => foreign(own, &dependency.name),
            };
            if let Some(problem) = problem {
                let message = format!("depends on {}: {problem}", dependency.name);
                findings.push(Finding::error(&package.name, message));
            }
        }
    }
    findings
}

fn between(own: Layer, other: Layer, kind: Kind, optional: bool) -> Option<&'static str> {
    use Layer::{Core, Driver, Examples, Protocol, Tool, Web};
    match (own, other) {
        (Examples, Core | Driver | Protocol | Web) | (Driver | Protocol | Web, Core) => None,
        (Web, Driver | Protocol) if optional || kind == Kind::Dev => None,
        (Web, Driver | Protocol) => Some("the web takes it only behind a feature"),
        (Core, _) => Some("the core knows none of the other crates"),
        (Driver, Web) => Some("a driver knows nothing of the web"),
        (Driver, Driver) => Some("no driver knows another"),
        (Driver, Protocol) => Some("a driver knows no protocol"),
        (Protocol, Driver) => Some("a protocol knows nothing of a driver"),
        (Protocol, Protocol) => Some("no protocol knows another"),
        (Protocol, Web) => Some("a protocol is useful without the web"),
        (Tool, _) => Some("the tools are built before the crates, and without them"),
        (_, Web | Examples | Tool) => Some("nothing depends on it"),
    }
}

fn foreign(own: Layer, name: &str) -> Option<&'static str> {
    match own {
        Layer::Core | Layer::Driver if HTTP.contains(&name) => Some("it knows nothing of HTTP"),
        Layer::Core | Layer::Protocol if DATABASES.contains(&name) => {
            Some("it knows nothing of databases")
        }
        _ => None,
    }
}

/// Not even through a dependency of a dependency, with every feature on.
pub(super) fn core_knows_no_http(tree: &Tree) -> Vec<Finding> {
    let Some(core) = tree.metadata.our("cyclone-core") else {
        return vec![Finding::error("cyclone-core", "is not in the workspace")];
    };
    let closure = tree.metadata.closure_above([core], HTTP_OF_ITS_OWN);
    let http = closure
        .iter()
        .filter(|package| HTTP.contains(&package.name.as_str()));
    http.map(|package: &&Package| Finding::error("cyclone-core", format!("needs {}", package.name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::fixture::{dependency, foreign, ours};

    fn problems(name: &str, dependencies: &[&str]) -> Vec<String> {
        let tree = Tree::of_packages(vec![ours(name, dependencies)]);
        let findings = dependencies_point_one_way(&tree);
        findings.into_iter().map(|f| f.message).collect()
    }

    #[test]
    fn design_is_accepted() {
        let good = [
            ours("cyclone-core", &["tokio", "dev:http"]),
            ours("cyclone-sqlite", &["cyclone-core", "rusqlite"]),
            ours("cyclone-sse", &["cyclone-core", "http", "dev:axum"]),
            ours(
                "cyclone-web",
                &["cyclone-core", "cyclone-sse?", "cyclone-sqlite?", "hyper"],
            ),
            ours(
                "cyclone-examples",
                &["cyclone-web", "cyclone-core", "cyclone-sse"],
            ),
        ];
        let tree = Tree::of_packages(good.to_vec());
        assert_eq!(dependencies_point_one_way(&tree), []);
    }

    #[test]
    fn wrong_directions_are_found() {
        let wrong = [
            ("cyclone-core", "http"),
            ("cyclone-core", "cyclone-sse"),
            ("cyclone-core", "rusqlite"),
            ("cyclone-sqlite", "hyper"),
            ("cyclone-sqlite", "cyclone-redis"),
            ("cyclone-sqlite", "cyclone-sse"),
            ("cyclone-sqlite", "dev:cyclone-web"),
            ("cyclone-sse", "cyclone-web"),
            ("cyclone-sse", "cyclone-sqlite"),
            ("cyclone-sse", "cyclone-websocket"),
            ("cyclone-sse", "dev:cyclone-web"),
            ("cyclone-rpc", "redis"),
            ("cyclone-web", "cyclone-sse"),
            ("cyclone-web", "cyclone-examples"),
            ("cyclone-examples", "xtask"),
            ("xtask", "cyclone-core"),
        ];
        for (name, dependency) in wrong {
            assert_eq!(
                problems(name, &[dependency]).len(),
                1,
                "{name} -> {dependency}"
            );
        }
    }

    #[test]
    fn new_crate_needs_a_layer() {
        assert!(problems("cyclone-ssh", &[])[0].contains("is in no layer"));
    }

    #[test]
    fn http_below_the_core_is_found_at_any_depth() {
        let mut pool = foreign("pool", "1.0.0");
        pool.dependencies.push(dependency("http"));
        let packages = vec![
            ours("cyclone-core", &["pool"]),
            pool,
            foreign("http", "1.0.0"),
        ];
        let findings = core_knows_no_http(&Tree::of_packages(packages));
        assert_eq!(findings, [Finding::error("cyclone-core", "needs http")]);
    }

    #[test]
    fn what_asks_certificate_authorities_has_http_of_its_own() {
        let mut acme = foreign("rustls-acme", "0.15.0");
        acme.dependencies.push(dependency("http"));
        let packages = vec![
            ours("cyclone-core", &["rustls-acme"]),
            acme,
            foreign("http", "1.0.0"),
        ];
        assert_eq!(core_knows_no_http(&Tree::of_packages(packages)), []);
    }
}
