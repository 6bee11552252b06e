//! The two signals that end a connection, and those who wait for them.
//!
//! They are flags that everybody looks at, and a list of wakers for each connection. The server raises its flags
//! and goes through the registry; so a connection costs no node in a tree of tokens, and a poll no lock that all
//! connections share.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{Session, SessionGuard};
use crate::lock::lock;

/// What a connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Draining,
    Cut,
}

impl Signal {
    /// The flag of the signal.
    pub(crate) fn bit(self) -> u8 {
        match self {
            Self::Draining => 1,
            Self::Cut => 2,
        }
    }
}

/// The signals of a session that come from outside of the registry.
pub(super) struct Tokens {
    pub(super) draining: CancellationToken,
    pub(super) cut: CancellationToken,
}

impl Tokens {
    pub(super) fn of(&self, signal: Signal) -> &CancellationToken {
        match signal {
            Signal::Draining => &self.draining,
            Signal::Cut => &self.cut,
        }
    }
}

/// Who waits for a signal of one session. Several waits of one task share a place.
#[derive(Default)]
pub(super) struct Waiters {
    places: Vec<Option<Shared>>,
}

/// The number of a place, if there is one: every connection has several of these.
#[derive(Clone, Copy)]
struct Place(u32);

impl Place {
    const NONE: Self = Self(u32::MAX);

    fn index(self) -> Option<usize> {
        (self.0 != u32::MAX).then_some(self.0 as usize)
    }
}

struct Shared {
    waker: Waker,
    waits: u32,
}

impl Waiters {
    /// Takes a place for one more wait of this waker.
    fn enter(&mut self, waker: &Waker) -> usize {
        let mut free = None;
        for (index, place) in self.places.iter_mut().enumerate() {
            match place {
                Some(place) if place.waker.will_wake(waker) => {
                    place.waits += 1;
                    return index;
                }
                Some(_) => {}
                None => free = Some(index),
            }
        }
        let place = Shared {
            waker: waker.clone(),
            waits: 1,
        };
        if let Some(index) = free {
            self.places[index] = Some(place);
            return index;
        }
        if self.places.is_empty() {
            // Nearly every connection has one task.
            self.places.reserve_exact(1);
        }
        self.places.push(Some(place));
        self.places.len() - 1
    }

    /// Gives a place back; the waker is to be dropped without a lock, being foreign code.
    fn leave(&mut self, index: usize) -> Option<Waker> {
        let place = self.places.get_mut(index)?;
        match place {
            Some(shared) if shared.waits > 1 => {
                shared.waits -= 1;
                None
            }
            _ => place.take().map(|place| place.waker),
        }
    }

    fn is_for(&self, index: usize, waker: &Waker) -> bool {
        let place = self.places.get(index).and_then(Option::as_ref);
        place.is_some_and(|place| place.waker.will_wake(waker))
    }

    /// The wakers of all who wait, who keep their places.
    pub(super) fn wakers(&self) -> Vec<Waker> {
        let places = self.places.iter().flatten();
        places.map(|place| place.waker.clone()).collect()
    }
}

/// A handle of a session, borrowed or not.
pub(crate) trait OfSession {
    fn session(&self) -> &Session;
}

impl OfSession for &Session {
    fn session(&self) -> &Session {
        self
    }
}

impl OfSession for SessionGuard {
    fn session(&self) -> &Session {
        SessionGuard::session(self)
    }
}

/// Waits for one signal; once resolved it resolves at once for ever.
pub(crate) struct Wait<S: OfSession> {
    signal: Signal,
    place: Place,
    /// How the signal is heard of when the registry does not tell.
    token: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    // Dropped last: a guard leaves the registry.
    of: S,
}

impl<S: OfSession> Wait<S> {
    pub(crate) fn new(of: S, signal: Signal) -> Self {
        Self {
            signal,
            place: Place::NONE,
            token: None,
            of,
        }
    }

    pub(crate) fn session(&self) -> &Session {
        self.of.session()
    }

    /// Whether the signal was given; costs no lock in a server of ours.
    pub(crate) fn is_over(&self) -> bool {
        self.session().is_raised(self.signal)
    }

    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let session = self.of.session();
        if session.is_raised(self.signal) {
            return Poll::Ready(());
        }
        let inner = &session.inner;
        let mut old = None;
        let is_held = {
            let mut state = lock(&inner.state);
            match self.place.index() {
                Some(place) if state.waiters.is_for(place, cx.waker()) => {}
                place => {
                    old = place.and_then(|place| state.waiters.leave(place));
                    let place = state.waiters.enter(cx.waker());
                    self.place = u32::try_from(place).map_or(Place::NONE, Place);
                }
            }
            state.guards > 0
        };
        drop(old);
        let registry_tells = is_held && inner.home.membership.is_some();
        if let Some(tokens) = inner.home.tokens.as_ref().filter(|_| !registry_tells) {
            let token = self
                .token
                .get_or_insert_with(|| Box::pin(tokens.of(self.signal).clone().cancelled_owned()));
            if token.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        // Once more: who raised it meanwhile may have looked for wakers too early.
        if session.is_raised(self.signal) {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl<S: OfSession + Unpin> Future for Wait<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_over(cx)
    }
}

impl<S: OfSession> Drop for Wait<S> {
    fn drop(&mut self) {
        let Some(place) = self.place.index() else {
            return;
        };
        let old = lock(&self.session().inner.state).waiters.leave(place);
        drop(old);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::{Wake, Waker};

    use super::Waiters;

    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn the_waits_of_a_task_share_a_place() {
        let (one, other) = (Waker::from(Arc::new(Task)), Waker::from(Arc::new(Task)));
        let mut waiters = Waiters::default();
        let first = waiters.enter(&one);
        assert_eq!(waiters.places.capacity(), 1);
        assert_eq!(waiters.enter(&one), first);
        let second = waiters.enter(&other);
        assert_ne!(second, first);
        assert_eq!(waiters.wakers().len(), 2);

        assert!(waiters.leave(first).is_none(), "one wait is left");
        assert!(waiters.is_for(first, &one));
        assert!(waiters.leave(first).unwrap().will_wake(&one));
        assert!(!waiters.is_for(first, &one));
        assert_eq!(waiters.wakers().len(), 1);
        assert_eq!(waiters.enter(&one), first, "the free place is used");
        assert_eq!(waiters.places.len(), 2);
    }
}
