//! Routes: `{param}` patterns in a radix tree, methods, names.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use http::Method;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use crate::handler::DynHandler;

use beyond::Beyond;
#[cfg(feature = "regex")]
pub(crate) use expression::{Expression, compile};
pub(crate) use names::Names;
#[cfg(feature = "regex")]
pub use spec::regex;
pub use spec::{UrlSpec, url};

mod beyond;
#[cfg(feature = "regex")]
mod expression;
mod names;
mod spec;
#[cfg(test)]
mod tests;

/// Parameters of a pattern whose places are kept without an allocation.
const INLINE_PARAMETERS: usize = 4;

/// Parameters that a pattern may have: the tree names them by letters, and panics at the 26th.
const MAX_PARAMETERS: usize = 25;

/// The routes of an application.
#[derive(Clone, Default)]
pub(crate) struct Routes {
    tree: matchit::Router<usize>,
    /// The patterns without parameters, which are found without the tree.
    literal: HashMap<Box<[u8]>, usize, FxBuildHasher>,
    routes: Vec<Route>,
    by_pattern: HashMap<String, usize>,
    /// What `tree` cannot hold; with it `tree` is empty, so that requests that need it not do not pay for it.
    beyond: Option<Box<Beyond>>,
}

/// One pattern and who answers there.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) pattern: Box<str>,
    parameter_names: Arc<[Box<str>]>,
    pub(crate) body_limit: Option<u64>,
    any: Option<Arc<dyn DynHandler>>,
    by_method: Vec<(Method, Arc<dyn DynHandler>)>,
}

/// What stands at a path.
pub(crate) enum Found<'a> {
    Handler(&'a Arc<dyn DynHandler>, &'a Route, PathParameters),
    /// There is a route, but not for this method.
    OtherMethods(&'a Route),
    Nothing,
}

impl Routes {
    /// Adds a handler for all methods, or for one, and returns what is wrong with that if anything is.
    pub(crate) fn add(
        &mut self,
        spec: &UrlSpec,
        method: Option<Method>,
        handler: Arc<dyn DynHandler>,
    ) -> Result<(), String> {
        let at = match self.by_pattern.get(&*spec.key()) {
            Some(at) => *at,
            None => self.add_spec(spec)?,
        };
        let Some(route) = self.routes.get_mut(at) else {
            return Err("the route is lost".to_owned());
        };
        if spec.body_limit.is_some() {
            route.body_limit = spec.body_limit;
        }
        match method {
            None if route.any.is_some() => {
                return Err(format!("`{}` has a handler already", route.pattern));
            }
            None => route.any = Some(handler),
            Some(method) if route.has(&method) => {
                let pattern = &route.pattern;
                return Err(format!("`{pattern}` has a handler for {method} already"));
            }
            Some(method) => route.by_method.push((method, handler)),
        }
        Ok(())
    }

    fn add_spec(&mut self, spec: &UrlSpec) -> Result<usize, String> {
        if spec.is_regex {
            self.add_expression(spec)
        } else {
            self.add_pattern(&spec.pattern)
        }
    }

    #[cfg(feature = "regex")]
    fn add_expression(&mut self, spec: &UrlSpec) -> Result<usize, String> {
        let expression = Expression::new(&spec.pattern)?;
        let names = Arc::clone(&expression.names);
        let at = self.routes.len();
        self.beyond().expressions.push((expression, at));
        Ok(self.push_route(spec.key().into_owned(), &spec.pattern, names))
    }

    #[cfg(not(feature = "regex"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn add_expression(&mut self, _spec: &UrlSpec) -> Result<usize, String> {
        Err("there are no regular expressions".to_owned())
    }

    fn add_pattern(&mut self, pattern: &str) -> Result<usize, String> {
        let names = spec::parameter_names(pattern)?;
        if names.len() > MAX_PARAMETERS {
            return Err(format!("it has more than {MAX_PARAMETERS} parameters"));
        }
        let at = self.routes.len();
        self.insert(pattern, at)?;
        if names.is_empty() && !pattern.contains(['{', '}']) {
            self.literal.insert(pattern.as_bytes().into(), at);
        }
        let names = names.into_iter().map(Box::from).collect();
        Ok(self.push_route(pattern.to_owned(), pattern, names))
    }

    fn push_route(&mut self, key: String, pattern: &str, names: Arc<[Box<str>]>) -> usize {
        let at = self.routes.len();
        self.routes.push(Route {
            pattern: pattern.into(),
            parameter_names: names,
            body_limit: None,
            any: None,
            by_method: Vec::new(),
        });
        self.by_pattern.insert(key, at);
        at
    }

    /// Puts a pattern into a tree.
    fn insert(&mut self, pattern: &str, at: usize) -> Result<(), String> {
        let is_rest = spec::has_rest(pattern);
        let tree = match &mut self.beyond {
            Some(beyond) if beyond.rests_are_apart && is_rest => &mut beyond.rests,
            Some(beyond) => &mut beyond.tree,
            None => &mut self.tree,
        };
        match tree.insert(pattern, at) {
            Ok(()) => Ok(()),
            Err(matchit::InsertError::Conflict { with }) => {
                let beyond = self.beyond.as_ref();
                if beyond.is_some_and(|beyond| beyond.rests_are_apart) {
                    return Err(format!("it matches the same paths as `{with}`"));
                }
                self.set_rests_apart();
                self.insert(pattern, at)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// What the tree cannot hold, with what it held.
    fn beyond(&mut self) -> &mut Beyond {
        let tree = &mut self.tree;
        self.beyond.get_or_insert_with(|| {
            Box::new(Beyond {
                tree: std::mem::take(tree),
                ..Beyond::default()
            })
        })
    }

    /// Takes the patterns with a `{*rest}` out of the tree: there it may not stand beside a `{x}`.
    fn set_rests_apart(&mut self) {
        let (mut tree, mut rests) = (matchit::Router::new(), matchit::Router::new());
        for (at, route) in self.routes.iter().enumerate() {
            if self.by_pattern.get(&*route.pattern) != Some(&at) {
                continue;
            }
            let chosen = if spec::has_rest(&route.pattern) {
                &mut rests
            } else {
                &mut tree
            };
            // They stood beside one another before.
            let _ = chosen.insert(&*route.pattern, at);
        }
        let beyond = self.beyond();
        beyond.tree = tree;
        beyond.rests = rests;
        beyond.rests_are_apart = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// What stands at a path, wherever it is kept.
    pub(crate) fn find_anywhere(&self, method: &Method, path: &[u8]) -> Found<'_> {
        match self.find(method, path) {
            Found::Nothing => self.find_beyond(method, path),
            found => found,
        }
    }

    /// What stands at a path for which [`find`](Self::find) has found nothing.
    pub(crate) fn find_beyond(&self, method: &Method, path: &[u8]) -> Found<'_> {
        match (&self.beyond, std::str::from_utf8(path)) {
            (Some(beyond), Ok(path)) => beyond.find(&self.routes, method, path),
            _ => Found::Nothing,
        }
    }

    /// What stands at a path, which is UTF-8.
    pub(crate) fn find(&self, method: &Method, path: &[u8]) -> Found<'_> {
        if let Some(route) = self.literal.get(path).and_then(|at| self.routes.get(*at)) {
            return match route.handler(method) {
                Some(handler) => Found::Handler(handler, route, PathParameters::default()),
                None => Found::OtherMethods(route),
            };
        }
        let Ok(path) = std::str::from_utf8(path) else {
            return Found::Nothing;
        };
        let Ok(matched) = self.tree.at(path) else {
            return Found::Nothing;
        };
        let Some(route) = self.routes.get(*matched.value) else {
            return Found::Nothing;
        };
        match route.handler(method) {
            Some(handler) => {
                let parameters = PathParameters::new(route, path, &matched.params);
                Found::Handler(handler, route, parameters)
            }
            None => Found::OtherMethods(route),
        }
    }
}

impl Route {
    fn has(&self, method: &Method) -> bool {
        self.by_method.iter().any(|(other, _)| other == method)
    }

    /// The handler for a method; `HEAD` goes to that of `GET` unless it has its own.
    fn handler(&self, method: &Method) -> Option<&Arc<dyn DynHandler>> {
        let exact = |wanted: &Method| {
            let mut handlers = self.by_method.iter();
            handlers.find_map(|(other, handler)| (other == wanted).then_some(handler))
        };
        exact(method)
            .or_else(|| {
                (*method == Method::HEAD)
                    .then(|| exact(&Method::GET))
                    .flatten()
            })
            .or(self.any.as_ref())
    }

    /// The methods that have a handler of their own, with the `HEAD` that goes with `GET`.
    pub(crate) fn methods(&self) -> Vec<Method> {
        let mut methods: Vec<_> = self
            .by_method
            .iter()
            .map(|(method, _)| method.clone())
            .collect();
        if self.has(&Method::GET) && !self.has(&Method::HEAD) {
            methods.push(Method::HEAD);
        }
        methods
    }
}

/// Where in the path the parameters of a pattern stand.
#[derive(Default)]
pub(crate) struct PathParameters {
    names: Option<Arc<[Box<str>]>>,
    places: SmallVec<[Range<u32>; INLINE_PARAMETERS]>,
}

impl PathParameters {
    fn new(route: &Route, path: &str, found: &matchit::Params<'_, '_>) -> Self {
        if route.parameter_names.is_empty() {
            return Self::default();
        }
        let start_of_path = path.as_ptr().addr();
        let places = found.iter().map(|(_name, value)| {
            let start = value.as_ptr().addr() - start_of_path;
            narrow(start)..narrow(start + value.len())
        });
        Self {
            places: places.collect(),
            names: Some(Arc::clone(&route.parameter_names)),
        }
    }

    /// What the groups of an expression have matched; a group that did not has no place.
    #[cfg(feature = "regex")]
    pub(crate) fn captured(expression: &Expression, captures: &::regex::Captures<'_>) -> Self {
        let places = expression
            .groups
            .iter()
            .map(|number| match captures.get(*number) {
                Some(group) => narrow(group.start())..narrow(group.end()),
                None => u32::MAX..u32::MAX,
            });
        Self {
            places: places.collect(),
            names: Some(Arc::clone(&expression.names)),
        }
    }

    /// Ends them where the path ends: one that was matched had a slash more.
    pub(crate) fn cut(&mut self, path: &str) {
        let end = narrow(path.len());
        for place in &mut self.places {
            if place.start <= end {
                place.end = place.end.min(end);
            }
        }
    }

    /// The raw text of a parameter; `path` is the one that was matched.
    pub(crate) fn get<'p>(&self, name: &str, path: &'p str) -> Option<&'p str> {
        self.iter(path)
            .find_map(|(other, value)| (other == name).then_some(value))
    }

    /// Names and raw texts, in the order of the pattern.
    pub(crate) fn iter<'p>(&self, path: &'p str) -> impl Iterator<Item = (&str, &'p str)> {
        let names = self.names.iter().flat_map(|names| names.iter());
        names.zip(&self.places).filter_map(|(name, place)| {
            let value = path.get(place.start as usize..place.end as usize)?;
            Some((&**name, value))
        })
    }
}

/// A place in a path, which is far shorter than 4 GiB: the request line is limited.
fn narrow(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_pattern.keys()).finish()
    }
}
