//! The things of a server that can be inspected, by name.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::Inspect;

/// The most things that a server inspects; each is asked whenever somebody looks.
pub const MAX_SOURCES: usize = 1_024;

/// Something that is inspected under a name.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    pub(crate) inspect: Arc<dyn Inspect>,
}

/// The things of a server that are inspected, in the order in which they came.
#[derive(Default)]
pub(crate) struct Sources {
    list: RwLock<Vec<Source>>,
}

impl Sources {
    /// Adds something, in the place of one of the same kind and name; `false` when there are too many.
    pub(crate) fn insert(&self, name: &str, inspect: Arc<dyn Inspect>) -> bool {
        let source = Source {
            name: name.into(),
            inspect,
        };
        let replaced;
        {
            let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
            let is_it = |other: &&mut Source| {
                *other.name == *name && other.inspect.kind() == source.inspect.kind()
            };
            if let Some(place) = list.iter_mut().find(is_it) {
                replaced = Some(std::mem::replace(place, source));
            } else if list.len() < MAX_SOURCES {
                list.push(source);
                return true;
            } else {
                return false;
            }
        }
        // Outside of the lock: it may be foreign code.
        drop(replaced);
        true
    }

    /// Takes those of a name away, and says whether there were some.
    pub(crate) fn remove(&self, name: &str) -> bool {
        let removed: Vec<_> = {
            let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
            list.extract_if(.., |source| *source.name == *name)
                .collect()
        };
        !removed.is_empty()
    }

    /// The one of this type and name; made when there is none.
    pub(crate) fn shared<T: Inspect + Default>(&self, name: &str) -> Arc<T> {
        if let Some(found) = self.find(name) {
            return found;
        }
        let new = Arc::new(T::default());
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have been faster.
        if let Some(found) = list.iter().find_map(|source| source.is::<T>(name)) {
            return found;
        }
        if list.len() < MAX_SOURCES {
            list.push(Source {
                name: name.into(),
                inspect: Arc::<T>::clone(&new),
            });
        }
        new
    }

    fn find<T: Inspect>(&self, name: &str) -> Option<Arc<T>> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.iter().find_map(|source| source.is::<T>(name))
    }

    pub(crate) fn all(&self) -> Vec<Source> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.clone()
    }
}

impl Source {
    fn is<T: Inspect>(&self, name: &str) -> Option<Arc<T>> {
        if *self.name != *name {
            return None;
        }
        let any: Arc<dyn Any + Send + Sync> = Arc::<dyn Inspect>::clone(&self.inspect);
        any.downcast().ok()
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all();
        let names = all
            .iter()
            .map(|source| (source.inspect.kind(), &*source.name));
        f.debug_map().entries(names).finish()
    }
}
