//! Routes for some hosts or some requests, and what is tried when nothing was found.
//!
//! Applications that have none of this pass by: their requests never come here.

use std::fmt;
use std::sync::Arc;

use http::Method;

use crate::host::HostPattern;
use crate::request_view::RequestView;
use crate::router::{Found, Route, Routes};
use crate::slashes::Slashes;

/// What an application has of it.
#[derive(Clone, Default)]
pub(crate) struct Further {
    groups: Vec<Group>,
    /// The routes for all hosts: with groups they are here, so that nothing is found before the groups were asked.
    everywhere: Routes,
    pub(crate) default_host: Option<String>,
    pub(crate) slashes: Slashes,
}

/// Routes under conditions, all of which have to hold.
#[derive(Clone)]
struct Group {
    conditions: Vec<Condition>,
    routes: Routes,
}

/// What a request has to be like.
#[derive(Clone)]
pub(crate) enum Condition {
    Host(HostPattern),
    When(Arc<Matcher>),
}

pub(crate) type Matcher = dyn Fn(&RequestView<'_>) -> bool + Send + Sync;

impl Condition {
    fn holds(&self, view: &RequestView<'_>, host: Option<&str>) -> bool {
        match self {
            Self::Host(pattern) => host.is_some_and(|host| pattern.matches(host)),
            Self::When(matcher) => matcher(view),
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Host(one), Self::Host(other)) => one.is(other),
            (Self::When(one), Self::When(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Group {
    fn holds(&self, view: &RequestView<'_>, host: Option<&str>) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.all(|condition| condition.holds(view, host))
    }

    fn has_host(&self) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.any(|condition| matches!(condition, Condition::Host(_)))
    }
}

impl Further {
    /// Whether the routes for all hosts are here.
    pub(crate) fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// The routes under these conditions. `plain` are those of the application, which come here with the first group.
    pub(crate) fn routes_mut<'a>(
        &'a mut self,
        conditions: &[Condition],
        plain: &'a mut Routes,
    ) -> &'a mut Routes {
        if conditions.is_empty() {
            return if self.has_groups() {
                &mut self.everywhere
            } else {
                plain
            };
        }
        if !self.has_groups() {
            self.everywhere = std::mem::take(plain);
        }
        let is_same = |group: &Group| {
            group.conditions.len() == conditions.len()
                && group
                    .conditions
                    .iter()
                    .zip(conditions)
                    .all(|(one, other)| one.is(other))
        };
        let at = match self.groups.iter().position(is_same) {
            Some(at) => at,
            None => {
                self.groups.push(Group {
                    conditions: conditions.to_vec(),
                    routes: Routes::default(),
                });
                self.groups.len() - 1
            }
        };
        &mut self.groups[at].routes
    }

    /// What stands at a path: in the groups in their order, then for all hosts, then for the default host unless a
    /// proxy says that the request came to another.
    pub(crate) fn find<'a>(
        &'a self,
        plain: &'a Routes,
        view: &RequestView<'_>,
        path: &[u8],
    ) -> Found<'a> {
        let mut search = Search {
            method: view.method(),
            path,
            refused: None,
        };
        let host = view.host_name();
        for group in self.groups.iter().filter(|group| group.holds(view, host)) {
            if let Some(found) = search.look(&group.routes) {
                return found;
            }
        }
        let everywhere = if self.has_groups() {
            &self.everywhere
        } else {
            plain
        };
        if let Some(found) = search.look(everywhere) {
            return found;
        }
        if let Some(default) = self.default_host.as_deref()
            && !is_behind_proxy(view)
        {
            for group in self.default_groups(view, default) {
                if let Some(found) = search.look(&group.routes) {
                    return found;
                }
            }
        }
        search.refused.map_or(Found::Nothing, Found::OtherMethods)
    }

    /// The groups that are there because of the default host.
    fn default_groups(
        &self,
        view: &RequestView<'_>,
        default: &str,
    ) -> impl Iterator<Item = &Group> {
        let groups = self.groups.iter().filter(|group| group.has_host());
        groups.filter(move |group| group.holds(view, Some(default)))
    }

    /// The default host, if a request for which nothing was found should go there: it came through a proxy, to a host
    /// that nobody knows, and the default host has routes.
    pub(crate) fn refuge(&self, view: &RequestView<'_>) -> Option<&str> {
        let default = self.default_host.as_deref()?;
        let is_stray = self.everywhere.is_empty() && is_behind_proxy(view) && {
            let host = view.host_name();
            let mut groups = self.groups.iter();
            !groups.any(|group| group.has_host() && group.holds(view, host))
        };
        let has_routes = self.default_groups(view, default).next().is_some();
        (is_stray && has_routes).then_some(default)
    }
}

/// Tornado's and cyclone's sign of a proxy: the host of such a request is not guessed.
fn is_behind_proxy(view: &RequestView<'_>) -> bool {
    view.headers().contains_key("x-real-ip")
}

struct Search<'a, 'm> {
    method: &'m Method,
    path: &'m [u8],
    refused: Option<&'a Route>,
}

impl<'a> Search<'a, '_> {
    fn look(&mut self, routes: &'a Routes) -> Option<Found<'a>> {
        match routes.find_anywhere(self.method, self.path) {
            Found::Nothing => None,
            Found::OtherMethods(route) => {
                self.refused.get_or_insert(route);
                None
            }
            found @ Found::Handler(..) => Some(found),
        }
    }
}

impl fmt::Debug for Further {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.groups.iter().map(|group| &group.routes);
        f.debug_struct("Further")
            .field("groups", &groups.collect::<Vec<_>>())
            .field("everywhere", &self.everywhere)
            .field("default_host", &self.default_host)
            .field("slashes", &self.slashes)
            .finish()
    }
}
