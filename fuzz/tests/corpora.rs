//! Every file of every corpus, on stable and without libFuzzer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use cyclone_fuzz::{TARGETS, Target};

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Panics of tasks, which their runtime catches.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[test]
fn every_corpus_replays() {
    std::panic::set_hook(Box::new(|info| {
        PANICS.lock().unwrap().push(info.to_string());
    }));
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut failures = Vec::new();
    let mut replay = |target: &Target, name: &str, data: &[u8]| {
        let run = std::panic::catch_unwind(|| (target.run)(data));
        let panics = std::mem::take(&mut *PANICS.lock().unwrap());
        if run.is_err() || !panics.is_empty() {
            failures.push(format!("{}/{name}: {}", target.name, panics.join("\n")));
        }
    };
    for target in TARGETS {
        replay(target, "nothing", &[]);
        for file in entries(&corpora.join(target.name)) {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            replay(target, &name, &std::fs::read(&file).unwrap());
        }
    }
    drop(std::panic::take_hook());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_corpus_belongs_to_a_target() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let found = entries(&corpora).into_iter();
    let found: BTreeSet<_> = found
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    let expected: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(found, expected);
    for target in TARGETS {
        assert!(!entries(&corpora.join(target.name)).is_empty());
    }
}
