//! The times at which the clients of a channel want to be woken: one timer for all of them.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::ring::{Place, WAKE_BATCH};

/// When each client wants to be woken. A timer of its own would cost a client four times as much.
#[derive(Debug)]
pub(super) struct Beats {
    start: Instant,
    due: Mutex<BTreeSet<(Beat, Place)>>,
    /// The first of them is sooner than before.
    sooner: Notify,
}

/// A moment: nanoseconds since the start. Never before what it was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Beat(NonZeroU64);

impl Beats {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            due: Mutex::default(),
            sooner: Notify::new(),
        }
    }

    pub(super) fn beat(&self, at: Instant) -> Beat {
        let since = at.saturating_duration_since(self.start);
        let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        Beat(NonZeroU64::new(nanos).unwrap_or(NonZeroU64::MIN))
    }

    /// Has the client at `place` woken at `beat`, once; it is not woken at `instead` then.
    pub(super) fn set(&self, place: Place, beat: Beat, instead: Option<Beat>) {
        let mut due = self.lock();
        if let Some(old) = instead {
            due.remove(&(old, place));
        }
        due.insert((beat, place));
        let is_first = due.first() == Some(&(beat, place));
        drop(due);
        if is_first {
            self.sooner.notify_one();
        }
    }

    /// The client at `place` is not woken at `beat`.
    pub(super) fn clear(&self, place: Place, beat: Beat) {
        self.lock().remove(&(beat, place));
    }

    /// Waits until clients have to be woken, and gives some of them.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped: places are given at its end.
    pub(super) async fn next(&self) -> Vec<Place> {
        loop {
            let places = self.take(self.beat(Instant::now()));
            if !places.is_empty() {
                return places;
            }
            let first = self.lock().first().map(|(beat, _)| *beat);
            match first {
                None => self.sooner.notified().await,
                Some(Beat(nanos)) => {
                    let at = self.start + Duration::from_nanos(nanos.get());
                    tokio::select! {
                        () = self.sooner.notified() => {}
                        () = sleep_until(at) => {}
                    }
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn take(&self, now: Beat) -> Vec<Place> {
        let mut due = self.lock();
        let mut places = Vec::new();
        while places.len() < WAKE_BATCH
            && let Some((beat, place)) = due.first().copied()
            && beat <= now
        {
            due.pop_first();
            places.push(place);
        }
        places
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(Beat, Place)>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future as _, poll_fn};
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    fn place(number: u32) -> Place {
        Place::numbered(number)
    }

    #[tokio::test(start_paused = true)]
    async fn places_come_at_their_time() {
        let beats = Beats::new();
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let beat = |seconds: u32| beats.beat(start + seconds * second);
        beats.set(place(1), beat(3), None);
        beats.set(place(2), beat(1), None);
        beats.set(place(3), beat(2), None);
        beats.set(place(4), beat(1), None);
        beats.clear(place(4), beat(1));
        beats.set(place(3), beat(4), Some(beat(2)));
        for (expected, at) in [(2, 1), (1, 3), (3, 4)] {
            assert_eq!(beats.next().await, [place(expected)]);
            assert_eq!(start.elapsed(), at * second);
        }
        assert_eq!(beats.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sooner_beat_is_heard_of() {
        let beats = Beats::new();
        let start = Instant::now();
        beats.set(place(1), beats.beat(start + Duration::from_secs(9)), None);
        let mut next = pin!(beats.next());
        let pending = poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx).is_pending())).await;
        assert!(pending);
        beats.set(place(2), beats.beat(start + Duration::from_secs(2)), None);
        assert_eq!(next.await, [place(2)]);
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        assert_eq!(beats.next().await, [place(1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn batches_just_under_at_and_over() {
        for (count, last) in [(WAKE_BATCH - 1, 0), (WAKE_BATCH, 0), (WAKE_BATCH + 1, 1)] {
            let beats = Beats::new();
            let now = beats.beat(Instant::now());
            for number in 0..count {
                beats.set(place(u32::try_from(number).unwrap()), now, None);
            }
            assert_eq!(beats.next().await.len(), count - last);
            assert_eq!(beats.len(), last);
        }
    }
}
