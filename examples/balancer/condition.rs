//! Whether a backend is well, by what was seen of it. No I/O, no clock.

/// Whether a backend is given clients: it takes some failures in a row to fall, and some successes to rise.
#[derive(Debug)]
pub(super) struct Condition {
    rise: u32,
    fall: u32,
    /// Why it is down; `None` when it is up.
    down: Option<String>,
    /// Failures in a row while up, successes in a row while down.
    streak: u32,
}

impl Condition {
    /// A backend is well until the contrary is seen.
    pub(super) fn new(rise: u32, fall: u32) -> Self {
        Self {
            rise,
            fall,
            down: None,
            streak: 0,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.down.is_none()
    }

    /// Why it is down.
    pub(super) fn reason(&self) -> Option<&str> {
        self.down.as_deref()
    }

    /// It did what it should; whether it rose.
    pub(super) fn passed(&mut self) -> bool {
        if self.is_up() {
            self.streak = 0;
            return false;
        }
        self.streak += 1;
        if self.streak < self.rise {
            return false;
        }
        (self.down, self.streak) = (None, 0);
        true
    }

    /// It did not; whether it fell.
    pub(super) fn failed(&mut self, reason: &str) -> bool {
        if !self.is_up() {
            // The newest reason is the one that helps.
            (self.down, self.streak) = (Some(reason.to_owned()), 0);
            return false;
        }
        self.streak += 1;
        self.streak >= self.fall && self.refused(reason)
    }

    /// It said clearly that it is not there: it falls at once. Whether it fell.
    pub(super) fn refused(&mut self, reason: &str) -> bool {
        let fell = self.is_up();
        (self.down, self.streak) = (Some(reason.to_owned()), 0);
        fell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_at_the_limit_and_a_success_in_between_begins_anew() {
        let mut condition = Condition::new(2, 3);
        assert!(!condition.failed("a") && !condition.failed("b"));
        assert!(condition.is_up(), "just under");
        assert!(!condition.passed());
        assert!(!condition.failed("a") && !condition.failed("b"));
        assert!(condition.failed("c"), "at");
        assert_eq!(condition.reason(), Some("c"));
        assert!(!condition.failed("d"), "it has fallen already");
        assert_eq!(condition.reason(), Some("d"));
    }

    #[test]
    fn it_rises_at_the_limit_and_a_failure_in_between_begins_anew() {
        let mut condition = Condition::new(2, 3);
        assert!(condition.refused("gone") && !condition.refused("still gone"));
        assert!(!condition.passed());
        assert!(!condition.failed("again"));
        assert!(!condition.passed());
        assert!(!condition.is_up(), "just under");
        assert!(condition.passed(), "at");
        assert!(condition.is_up() && !condition.passed());
    }

    #[test]
    fn one_is_enough_where_one_is_asked_for() {
        let mut condition = Condition::new(1, 1);
        assert!(condition.failed("x") && condition.passed());
    }
}
