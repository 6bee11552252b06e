//! Facts about the process, from the operating system.

use std::fs;
use std::time::{Duration, SystemTime};

use rustix::process::{Resource, getrlimit};

/// Clock ticks a second in `/proc/self/stat`: `USER_HZ`, which is 100 on every system that Rust's Linux targets know.
const TICKS_PER_SECOND: u64 = 100;

/// Facts about the process; on other systems than Linux most are missing.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ProcessFacts {
    /// The number of the process.
    pub pid: u32,
    /// When it was started.
    pub started_at: Option<SystemTime>,
    /// Time that its threads have computed, all together.
    pub cpu_time: Option<Duration>,
    /// Physical memory that it uses, in bytes.
    pub resident_bytes: Option<u64>,
    /// Addresses that it uses, in bytes.
    pub virtual_bytes: Option<u64>,
    /// Its threads.
    pub threads: Option<u64>,
    /// Its open files and sockets.
    pub open_files: Option<usize>,
    /// The most files and sockets that it may have open (`RLIMIT_NOFILE`); `None` is no limit.
    pub max_files: Option<u64>,
}

impl ProcessFacts {
    pub(super) fn read() -> Self {
        let mut facts = Self {
            pid: std::process::id(),
            max_files: getrlimit(Resource::Nofile).current,
            open_files: open_files(),
            ..Self::default()
        };
        if let Ok(status) = fs::read_to_string("/proc/self/status") {
            facts.add_status(&status);
        }
        if let (Ok(stat), Ok(uptime)) = (
            fs::read_to_string("/proc/self/stat"),
            fs::read_to_string("/proc/uptime"),
        ) {
            facts.add_stat(&stat, &uptime, SystemTime::now());
        }
        facts
    }

    /// Lines like `VmRSS:     5872 kB` (proc_pid_status(5)).
    fn add_status(&mut self, status: &str) {
        for line in status.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let mut words = value.split_whitespace();
            let number: Option<u64> = words.next().and_then(|word| word.parse().ok());
            let bytes = number.map(|kibibytes| kibibytes.saturating_mul(1024));
            match name {
                "VmRSS" => self.resident_bytes = bytes,
                "VmSize" => self.virtual_bytes = bytes,
                "Threads" => self.threads = number,
                _ => {}
            }
        }
    }

    /// The fields of proc_pid_stat(5): utime is the 14th, stime the 15th, starttime the 22nd. The second is the name
    /// of the program in parentheses, which may have spaces and parentheses in it.
    fn add_stat(&mut self, stat: &str, uptime: &str, now: SystemTime) {
        let Some((_, rest)) = stat.rsplit_once(')') else {
            return;
        };
        let fields: Vec<_> = rest.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        if let (Some(user), Some(system)) = (ticks(14), ticks(15)) {
            self.cpu_time = Some(of_ticks(user.saturating_add(system)));
        }
        let since_boot = uptime.split_whitespace().next();
        let since_boot = since_boot.and_then(|seconds| seconds.parse().ok());
        let since_boot = since_boot.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        if let (Some(start), Some(since_boot)) = (ticks(22), since_boot) {
            self.started_at = now.checked_sub(since_boot.saturating_sub(of_ticks(start)));
        }
    }
}

fn of_ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(1000 / TICKS_PER_SECOND))
}

/// The size of the folder is their number since Linux 6.2; before that they are counted, which takes longer.
fn open_files() -> Option<usize> {
    const FOLDER: &str = "/proc/self/fd";
    match fs::metadata(FOLDER).ok()?.len() {
        // The folder itself is open while it is counted.
        0 => Some(fs::read_dir(FOLDER).ok()?.count().saturating_sub(1)),
        count => usize::try_from(count).ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::ProcessFacts;

    #[test]
    fn the_facts_are_read_from_what_the_kernel_writes() {
        let mut facts = ProcessFacts::default();
        facts.add_status("Name:\tsrv\nVmSize:\t  208960 kB\nVmRSS:\t   12052 kB\nThreads:\t7\n");
        assert_eq!(facts.resident_bytes, Some(12_052 * 1024));
        assert_eq!(facts.virtual_bytes, Some(208_960 * 1024));
        assert_eq!(facts.threads, Some(7));
        let stat = "42 (a ) (b) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 7 0 5000 1 2 3";
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        facts.add_stat(stat, "60.50 100.00\n", now);
        assert_eq!(facts.cpu_time, Some(Duration::from_secs(3)));
        // It started 50 s after the system did, which is 10.5 s ago.
        let started = Duration::from_millis(989_500);
        assert_eq!(facts.started_at, Some(SystemTime::UNIX_EPOCH + started));
    }

    #[test]
    fn what_is_not_understood_is_missing() {
        let mut facts = ProcessFacts::default();
        facts.add_status("VmRSS:\nVmSize: much kB\nThreads\n");
        for stat in [
            "",
            "1 (x",
            "1 (x) S 1",
            "1 (x) S a b c d e f g h i j k l m n o p q r s t",
        ] {
            facts.add_stat(stat, "now", SystemTime::UNIX_EPOCH);
        }
        facts.add_stat("1 (x) S", "1e300 1", SystemTime::UNIX_EPOCH);
        assert_eq!(facts, ProcessFacts::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_threads_files_and_a_past() {
        let facts = ProcessFacts::read();
        assert_eq!(facts.pid, std::process::id());
        assert!(facts.resident_bytes > Some(100_000));
        assert!(facts.virtual_bytes >= facts.resident_bytes);
        assert!(facts.threads >= Some(1));
        assert!(facts.started_at <= Some(SystemTime::now()));
        assert!(facts.cpu_time.is_some());
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(facts.open_files >= Some(3));
        drop(file);
    }
}
