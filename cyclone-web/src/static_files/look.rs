//! Looks at the disk: one for all who want the same name at once.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::Shared;

use super::cache::Cached;
use super::entry::Entry;
use super::settings::Target;
use super::{StaticError, StaticFiles, blocking};

type Found = Result<Target, Arc<StaticError>>;

/// A look that is under way. It ends on its own thread, whoever waits for it.
type Look = Shared<Pin<Box<dyn Future<Output = Found> + Send>>>;

/// The looks under way; never more than there are requests.
#[derive(Default)]
pub(super) struct Looks {
    by_name: Mutex<HashMap<Box<str>, Look>>,
}

/// What a request does about a name that has to be looked at.
enum Share {
    /// Somebody looks, or has looked just now; this may be served.
    Known(Arc<Entry>),
    Wait(Look),
}

impl Looks {
    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Look>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}

/// Takes a look off the list when it has ended, or never began because the runtime is gone.
struct Landing {
    files: StaticFiles,
    name: Box<str>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        // Dropped after the lock.
        let _look = self.files.memory.looks.lock().remove(&self.name);
    }
}

impl StaticFiles {
    /// What is at a name: trusted for the interval, then looked at once.
    ///
    /// Whoever comes while somebody looks is served what is known for up to another interval, and waits for
    /// the same look after that, or when nothing is known.
    pub(super) async fn find(&self, name: &str) -> Result<Target, StaticError> {
        if self.settings.check_interval.is_zero() {
            // A look that began before the request came is not good enough.
            self.memory.counts.misses.fetch_add(1, Relaxed);
            let (this, name) = (self.clone(), name.to_owned());
            return blocking(move || this.look(&name)).await;
        }
        match self.share(name) {
            Share::Known(entry) => {
                self.memory.counts.hits.fetch_add(1, Relaxed);
                Ok(Target::File(entry))
            }
            Share::Wait(look) => {
                self.memory.counts.misses.fetch_add(1, Relaxed);
                look.await.map_err(|error| error.again())
            }
        }
    }

    /// Joins the look under way, or makes one to be begun by the first who waits for it.
    fn share(&self, name: &str) -> Share {
        let mut looks = self.memory.looks.lock();
        // With the lock: a look that has ended since the request asked has left its entry behind.
        let known = match self.memory.cache.get(name, self.settings.check_interval) {
            Cached::Fresh(entry) => return Share::Known(entry),
            Cached::Due { entry, overdue } => (!overdue).then_some(entry),
            Cached::Unknown => None,
        };
        if let Some(look) = looks.get(name) {
            return match known {
                Some(entry) => Share::Known(entry),
                None => Share::Wait(look.clone()),
            };
        }
        let landing = Landing {
            files: self.clone(),
            name: name.into(),
        };
        // Nothing is spawned here: what could go wrong with that would land, and want the lock.
        let look = async move {
            let looking = blocking(move || {
                let Landing { files, name } = &landing;
                files.look(name)
            });
            looking.await.map_err(Arc::new)
        };
        let look = look.boxed().shared();
        looks.insert(name.into(), look.clone());
        Share::Wait(look)
    }

    /// Looks at the disk and remembers what is there. Blocks.
    pub(super) fn look(&self, name: &str) -> Result<Target, StaticError> {
        let began = self.memory.cache.now();
        self.memory.counts.looks.fetch_add(1, Relaxed);
        let known = self.memory.cache.peek(name);
        if let Some(entry) = known
            && entry.is_current(&self.settings.root)
        {
            self.memory.cache.confirm(&entry, began);
            return Ok(Target::File(entry));
        }
        let target = self.settings.load(name);
        match &target {
            Ok(Target::File(entry)) => {
                self.memory.counts.loads.fetch_add(1, Relaxed);
                self.memory.cache.insert(entry, began);
            }
            Ok(Target::Directory) | Err(_) => self.memory.cache.remove(name, began),
        }
        target
    }
}
