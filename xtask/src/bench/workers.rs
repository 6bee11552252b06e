//! CPU per request of two workers against one: what a second core costs the first.
//!
//! One worker shares a CPU with its load. Two workers have a CPU each, and so has the load of either; the kernel
//! gives the connections of both loads to both workers.

use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::Report;
use super::figures::{Verdict, least, median, value};
use super::options::Options;
use super::plan::{PLAINTEXT, WORKERS};
use super::programs::Programs;

/// How often each number of workers is measured, unless it is said.
const ROUNDS: usize = 5;

/// The numbers of workers that are compared.
const COUNTS: [usize; 2] = [1, 2];

/// Looks for a second CPU.
pub(super) fn ready(_options: &Options) -> Result<()> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    if cpus < COUNTS[1] {
        bail!(
            "{} workers need as many CPUs, and there is {cpus}",
            COUNTS[1]
        );
    }
    Ok(())
}

pub(super) fn run(options: &Options, programs: &Programs) -> Result<Report> {
    let count = options.rounds.unwrap_or(ROUNDS);
    let mut rounds = Vec::new();
    for round in 0..count {
        let mut figures = [0.0; 2];
        for turn in 0..COUNTS.len() {
            // The other one begins each round.
            let which = (turn + round) % COUNTS.len();
            let workers = COUNTS[which];
            figures[which] = measure(options, programs, workers)?;
            println!(
                "round {} {workers} workers {:>8.3} µs",
                round + 1,
                figures[which]
            );
        }
        rounds.push(figures);
    }
    Ok(Report {
        method: format!(
            "{count} rounds of {} s, 64 connections for each worker",
            options.seconds
        ),
        table: markdown(&rounds),
        notes: Vec::new(),
        verdicts: vec![verdict(&rounds)],
    })
}

/// Microseconds of CPU that so many workers took for a request.
fn measure(options: &Options, programs: &Programs, workers: usize) -> Result<f64> {
    let cpus: Vec<usize> = (0..workers)
        .map(|worker| options.cpu.abs_diff(worker))
        .collect();
    let server = programs.start_workers(&cpus)?;
    let mut loads = Vec::new();
    for cpu in &cpus {
        let mut load = programs.load_on("load", &server, *cpu);
        load.args(["--path", PLAINTEXT, "--seconds", &options.seconds]);
        loads.push(Load::start(load)?);
    }
    let mut lines = Vec::new();
    for load in loads {
        lines.push(load.line()?);
    }
    server.stop()?;
    cpu_us(&lines)
}

/// What loads that ran at the same time say together: each saw all CPU that the workers took.
fn cpu_us(lines: &[String]) -> Result<f64> {
    let (mut requests, mut nanoseconds) = (0.0, Vec::new());
    for line in lines {
        requests += value(line, "requests")?;
        nanoseconds.push(value(line, "cpu_ns")?);
    }
    if requests < 1.0 {
        bail!("nothing was answered");
    }
    Ok(median(&nanoseconds) / 1000.0 / requests)
}

/// A load that runs; killed when this is dropped.
struct Load(Child);

impl Load {
    fn start(mut command: Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        child.map(Self).context("cannot start the load")
    }

    /// The line that it prints at its end.
    fn line(mut self) -> Result<String> {
        let stdout = self.0.stdout.take().context("no standard output")?;
        let line = std::io::read_to_string(stdout)?;
        let status = self.0.wait()?;
        if !status.success() {
            bail!("the load failed: {status}");
        }
        Ok(line)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn markdown(rounds: &[[f64; 2]]) -> String {
    let mut text = String::from(
        "| workers | CPU µs/request | least | ratio to one |\n|---:|---:|---:|---:|\n",
    );
    for (which, workers) in COUNTS.iter().enumerate() {
        let figures: Vec<f64> = rounds.iter().map(|round| round[which]).collect();
        let ratios: Vec<f64> = rounds.iter().map(|round| round[which] / round[0]).collect();
        text += &format!(
            "| {workers} | {:.2} | {:.2} | {:.3} |\n",
            median(&figures),
            least(&figures),
            median(&ratios)
        );
    }
    text
}

fn verdict(rounds: &[[f64; 2]]) -> Verdict {
    let ratios: Vec<f64> = rounds.iter().map(|round| round[1] / round[0]).collect();
    let ratio = median(&ratios);
    Verdict {
        met: ratio <= WORKERS,
        text: format!("workers: two take {ratio:.3} of one for a request, at most {WORKERS}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_at_the_same_time_share_the_cpu_that_they_saw() {
        let line = |requests: u32, cpu: u32| format!("requests={requests} seconds=1 cpu_ns={cpu}");
        assert_eq!(cpu_us(&[line(100, 500_000)]).unwrap(), 5.0);
        let two = [line(100, 1_000_000), line(300, 1_400_000)];
        assert_eq!(cpu_us(&two).unwrap(), 3.0);
        assert!(cpu_us(&[line(0, 1)]).is_err());
        assert!(cpu_us(&["requests=1".to_owned()]).is_err());
    }

    #[test]
    fn table_and_bound() {
        let rounds = [[5.0, 5.5], [5.0, 5.4], [5.0, 6.0]];
        let table = markdown(&rounds);
        assert!(table.ends_with("| 2 | 5.50 | 5.40 | 1.100 |\n"), "{table}");
        assert!(verdict(&rounds).met);
        assert!(!verdict(&[[5.0, 5.6]]).met);
        assert!(!verdict(&[]).met);
    }
}
