//! The typed registry of shared things, and [`Context`], which everything that serves a peer implements.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

#[cfg(test)]
mod tests;

type Shared = Box<dyn Any + Send + Sync>;
/// Resources of one type: the unnamed one and those with a name.
#[derive(Default)]
struct OfType {
    unnamed: Option<Shared>,
    named: HashMap<String, Shared>,
    type_name: &'static str,
}

/// The typed, optionally named resources of one server: pools, buses, configuration.
///
/// It is filled once by a [`ResourcesBuilder`] and never changes afterwards, so reading takes no lock.
/// Cloning copies a pointer.
///
/// ```
/// use cyclone_core::Resources;
///
/// struct Greeting(&'static str);
/// let resources = Resources::builder().insert(Greeting("hello")).build();
/// assert_eq!(resources.get::<Greeting>()?.0, "hello");
/// # Ok::<(), cyclone_core::MissingResource>(())
/// ```
#[derive(Clone, Default)]
pub struct Resources {
    by_type: Arc<HashMap<TypeId, OfType>>,
}

impl Resources {
    /// Starts an empty registry.
    #[must_use]
    pub fn builder() -> ResourcesBuilder {
        ResourcesBuilder::default()
    }

    /// The unnamed resource of type `T`.
    ///
    /// # Errors
    /// [`MissingResource`] when none was inserted: a mistake in the composition of the server.
    pub fn get<T: Send + Sync + 'static>(&self) -> Result<&T, MissingResource> {
        self.by_type
            .get(&TypeId::of::<T>())
            .and_then(|of_type| of_type.unnamed.as_ref())
            .and_then(|resource| resource.downcast_ref())
            .ok_or_else(|| MissingResource::of::<T>(None))
    }

    /// The resource of type `T` that was inserted under `name`.
    ///
    /// # Errors
    /// [`MissingResource`] when none was inserted under that name.
    pub fn get_named<T: Send + Sync + 'static>(&self, name: &str) -> Result<&T, MissingResource> {
        self.by_type
            .get(&TypeId::of::<T>())
            .and_then(|of_type| of_type.named.get(name))
            .and_then(|resource| resource.downcast_ref())
            .ok_or_else(|| MissingResource::of::<T>(Some(name)))
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.by_type.values().map(|of_type| of_type.type_name))
            .finish()
    }
}

/// Fills a [`Resources`] registry; a later insert replaces an earlier one of the same type and name.
#[derive(Default)]
pub struct ResourcesBuilder {
    by_type: HashMap<TypeId, OfType>,
}

impl ResourcesBuilder {
    /// Adds the unnamed resource of type `T`.
    #[must_use]
    pub fn insert<T: Send + Sync + 'static>(mut self, resource: T) -> Self {
        self.of_type::<T>().unnamed = Some(Box::new(resource));
        self
    }

    /// Adds a resource of type `T` under a name, for servers with several of a kind.
    #[must_use]
    pub fn insert_named<T: Send + Sync + 'static>(
        mut self,
        name: impl Into<String>,
        resource: T,
    ) -> Self {
        self.of_type::<T>()
            .named
            .insert(name.into(), Box::new(resource));
        self
    }

    /// Freezes the registry.
    #[must_use]
    pub fn build(self) -> Resources {
        Resources {
            by_type: Arc::new(self.by_type),
        }
    }

    fn of_type<T: 'static>(&mut self) -> &mut OfType {
        let entry = self.by_type.entry(TypeId::of::<T>()).or_default();
        entry.type_name = type_name::<T>();
        entry
    }
}

impl fmt::Debug for ResourcesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.by_type.values().map(|of_type| of_type.type_name))
            .finish()
    }
}

/// Something that serves a peer and can reach the server's [`Resources`]: an HTTP request, a WebSocket, a
/// line-protocol session.
///
/// Driver crates add methods to every context by a blanket implementation of a trait of their own:
///
/// ```
/// use cyclone_core::{Context, MissingResource};
///
/// pub struct Counter;
/// pub trait CounterContext: Context {
///     fn counter(&self) -> Result<&Counter, MissingResource> {
///         self.resources().get()
///     }
/// }
/// impl<C: Context + ?Sized> CounterContext for C {}
/// ```
pub trait Context {
    /// The resources of the server this context belongs to.
    fn resources(&self) -> &Resources;
}

impl Context for Resources {
    fn resources(&self) -> &Resources {
        self
    }
}

/// A resource that was asked for is not in the registry: the server was composed without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingResource {
    type_name: &'static str,
    name: Option<String>,
}

impl MissingResource {
    /// The error for a resource of type `T`, unnamed or under `name`.
    #[must_use]
    pub fn of<T: ?Sized>(name: Option<&str>) -> Self {
        Self {
            type_name: type_name::<T>(),
            name: name.map(str::to_owned),
        }
    }

    /// The Rust type that was asked for.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// The name that was asked for, if any.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl fmt::Display for MissingResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server has no resource of type `{}`", self.type_name)?;
        match &self.name {
            Some(name) => write!(f, " named `{name}`"),
            None => Ok(()),
        }
    }
}

impl Error for MissingResource {}
