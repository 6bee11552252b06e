//! `cargo xtask bench [WHAT]`: the same work done by us and by the peers, side by side.
//!
//! What is compared, and what we must reach, is in [`plan`]. A benchmark is one file that makes a
//! [`Report`]; building and starting the programs of `xtask/bench/http` is in [`programs`].

mod document;
mod figures;
mod http;
mod idle;
mod instructions;
mod large;
mod options;
mod plan;
mod programs;
mod table;
mod workers;

use anyhow::{Result, bail};

use self::figures::Verdict;
use self::options::Options;
use self::programs::Programs;

/// One benchmark; its name is also the one of its part in the document.
struct Benchmark {
    name: &'static str,
    /// Whether this machine can do it, found before anything is built.
    ready: fn(&Options) -> Result<()>,
    run: fn(&Options, &Programs) -> Result<Report>,
}

const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "http",
        ready: |_| Ok(()),
        run: http::run,
    },
    Benchmark {
        name: "idle",
        ready: idle::ready,
        run: idle::run,
    },
    Benchmark {
        name: "instructions",
        ready: instructions::ready,
        run: instructions::run,
    },
    Benchmark {
        name: "large",
        ready: |_| Ok(()),
        run: large::run,
    },
    Benchmark {
        name: "workers",
        ready: workers::ready,
        run: workers::run,
    },
];

/// What a benchmark found.
struct Report {
    /// How often and how much, in a few words.
    method: String,
    /// In Markdown, ends with a line break.
    table: String,
    /// What the reader must know of this run.
    notes: Vec<String>,
    verdicts: Vec<Verdict>,
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (chosen, flags) = choose(arguments)?;
    let options = Options::parse(flags)?;
    for benchmark in chosen {
        (benchmark.ready)(&options)?;
    }
    let programs = Programs::build(&options)?;
    let mut missed = Vec::new();
    for benchmark in chosen {
        let report = (benchmark.run)(&options, &programs)?;
        println!(
            "\n{}: {}\n\n{}",
            benchmark.name, report.method, report.table
        );
        for note in &report.notes {
            println!("note: {note}");
        }
        if options.write {
            let text = document::describe(&report.method, &report.table);
            document::write(benchmark.name, &text)?;
        }
        // Without us there is nothing to judge.
        if options.measures(plan::OURS) {
            for verdict in report.verdicts {
                println!("{verdict}");
                if !verdict.met {
                    missed.push(verdict.text);
                }
            }
        }
    }
    if options.check && !missed.is_empty() {
        bail!("targets missed: {}", missed.join("; "));
    }
    Ok(())
}

/// The benchmarks that are asked for, all of them unless one is named, and the flags.
fn choose(arguments: &[String]) -> Result<(&'static [Benchmark], &[String])> {
    match arguments.split_first() {
        Some((name, flags)) if !name.starts_with('-') => {
            let found = BENCHMARKS.chunks(1).find(|chunk| chunk[0].name == name);
            match found {
                Some(chosen) => Ok((chosen, flags)),
                None => bail!("no benchmark `{name}`\n{}", options::HELP),
            }
        }
        _ => Ok((BENCHMARKS, arguments)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(arguments: &str) -> Result<(Vec<&'static str>, usize)> {
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        let (chosen, flags) = choose(&arguments)?;
        let names = chosen.iter().map(|benchmark| benchmark.name);
        Ok((names.collect(), flags.len()))
    }

    #[test]
    fn all_benchmarks_unless_one_is_named() {
        let all = ["http", "idle", "instructions", "large", "workers"].to_vec();
        assert_eq!(chosen("").unwrap(), (all.clone(), 0));
        assert_eq!(chosen("--write --check").unwrap(), (all, 2));
        assert_eq!(chosen("idle --cpu 0").unwrap(), (vec!["idle"], 2));
        assert!(chosen("rust --cpu 0").is_err());
    }

    #[test]
    fn the_document_has_a_part_for_each() {
        for benchmark in BENCHMARKS {
            let document = document::read().unwrap();
            let changed = document::between_marks(&document, benchmark.name, "new\n");
            assert!(changed.is_ok(), "{}", benchmark.name);
        }
    }
}
