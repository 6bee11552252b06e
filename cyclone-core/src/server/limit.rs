//! The default limit of connections, from the limit of open files.

use rustix::process::{Resource, getrlimit};

/// The share of `RLIMIT_NOFILE` that connections may take, in percent; the rest is for files, databases and
/// clients.
const SHARE_PERCENT: u64 = 80;

/// The limit where the process has none.
const UNLIMITED_CONNECTIONS: usize = 1_000_000;

pub(super) fn connections() -> usize {
    match getrlimit(Resource::Nofile).current {
        Some(files) => share(files),
        None => UNLIMITED_CONNECTIONS,
    }
}

fn share(files: u64) -> usize {
    let share = (files / 100).saturating_mul(SHARE_PERCENT) + files % 100 * SHARE_PERCENT / 100;
    usize::try_from(share)
        .unwrap_or(UNLIMITED_CONNECTIONS)
        .clamp(1, UNLIMITED_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn the_share_is_eighty_percent_and_at_least_one() {
        assert_eq!(share(0), 1);
        assert_eq!(share(1), 1);
        assert_eq!(share(1024), 819);
        assert_eq!(share(20_000), 16_000);
        assert_eq!(share(u64::MAX), 1_000_000);
    }
}
