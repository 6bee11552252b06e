//! Which processors a worker may use.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::exit::{EXIT_CONFIG, Exit};
use super::options::Affinity;

/// The processors that this process may use, in their order: what `taskset`, a container or a service manager left.
pub(crate) fn allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    let all = 0..CpuSet::MAX_CPU;
    Ok(all.filter(|cpu| set.is_set(*cpu)).collect())
}

/// The processors that workers are to be bound to, if they are.
pub(crate) fn choose(affinity: Option<&Affinity>) -> Result<Option<Vec<usize>>, Exit> {
    let Some(affinity) = affinity else {
        return Ok(None);
    };
    let allowed = allowed().map_err(|error| Exit::os("cannot ask for the processors", &error))?;
    let Affinity::Cores(wanted) = affinity else {
        return Ok(Some(allowed));
    };
    match wanted.iter().find(|cpu| !allowed.contains(cpu)) {
        None => Ok(Some(wanted.clone())),
        Some(cpu) => {
            let reason =
                format!("processor {cpu} is not one of those that may be used: {allowed:?}");
            Err(Exit::new(EXIT_CONFIG, reason))
        }
    }
}

/// Binds the calling thread to one of `allowed`; workers take them in turn.
///
/// Threads that it starts inherit it.
pub(crate) fn pin(worker: usize, allowed: &[usize]) -> io::Result<usize> {
    let Some(cpu) = worker
        .checked_rem(allowed.len())
        .and_then(|at| allowed.get(at))
    else {
        return Err(io::Error::other("there is no processor to choose from"));
    };
    restrict(&[*cpu])?;
    Ok(*cpu)
}

/// Keeps the calling thread, and those that it starts, on these processors.
pub(crate) fn restrict(cpus: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu);
    }
    Ok(sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::{allowed, pin};

    #[test]
    fn workers_take_the_allowed_processors_in_turn() {
        let allowed = allowed().unwrap();
        assert!(!allowed.is_empty());
        // A thread of its own: what it is bound to ends with it.
        let all = allowed.clone();
        let pinned = std::thread::spawn(move || {
            let last = all.len() - 1;
            let cpu = pin(last, &all).unwrap();
            assert_eq!(cpu, all[last]);
            let bound = super::allowed().unwrap();
            let around = pin(all.len(), &bound).unwrap();
            (cpu, bound, around)
        });
        let (cpu, bound, around) = pinned.join().unwrap();
        assert_eq!(bound, [cpu]);
        assert_eq!(around, cpu, "only what is allowed counts");
        assert_eq!(
            super::allowed().unwrap(),
            allowed,
            "other threads stay free"
        );
    }

    #[test]
    fn no_processor_is_an_error() {
        assert!(pin(0, &[]).is_err());
    }
}
