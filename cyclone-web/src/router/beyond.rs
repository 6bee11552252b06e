//! Routes that one radix tree cannot hold: regular expressions, and `{*rest}` beside `{x}`.
//!
//! Applications that have none of them pass by.

use std::cmp::Ordering;

use http::Method;

#[cfg(feature = "regex")]
use super::expression::Expression;
use super::{Found, PathParameters, Route};

/// What stands in the place of the tree of [`Routes`](super::Routes).
#[derive(Clone, Default)]
pub(super) struct Beyond {
    /// Patterns with parameters, those with a `{*rest}` too unless they are apart.
    pub(super) tree: matchit::Router<usize>,
    pub(super) rests: matchit::Router<usize>,
    pub(super) rests_are_apart: bool,
    /// In the order they were routed in.
    #[cfg(feature = "regex")]
    pub(super) expressions: Vec<(Expression, usize)>,
}

impl Beyond {
    /// What stands at a path, literal patterns aside.
    pub(super) fn find<'a>(&self, routes: &'a [Route], method: &Method, path: &str) -> Found<'a> {
        let in_tree = self.in_trees(routes, path);
        let mut search = Search {
            method,
            refused: None,
        };
        #[cfg(feature = "regex")]
        let mut expressions = self.expressions.iter().peekable();
        #[cfg(feature = "regex")]
        while let Some((expression, at)) = expressions.peek() {
            if in_tree.as_ref().is_some_and(|(in_tree, _)| in_tree < at) {
                break;
            }
            if let Some(found) = search.try_expression(expression, routes.get(*at), path) {
                return found;
            }
            expressions.next();
        }
        if let Some((at, parameters)) = in_tree
            && let Some(found) = search.try_route(routes.get(at), || parameters)
        {
            return found;
        }
        #[cfg(feature = "regex")]
        for (expression, at) in expressions {
            if let Some(found) = search.try_expression(expression, routes.get(*at), path) {
                return found;
            }
        }
        search.refused.map_or(Found::Nothing, Found::OtherMethods)
    }

    /// The closer of what the two trees have.
    fn in_trees(&self, routes: &[Route], path: &str) -> Option<(usize, PathParameters)> {
        let look = |tree: &matchit::Router<usize>| {
            let matched = tree.at(path).ok()?;
            let route = routes.get(*matched.value)?;
            let parameters = PathParameters::new(route, path, &matched.params);
            Some((*matched.value, parameters))
        };
        match (look(&self.tree), look(&self.rests)) {
            (Some(one), Some(rest)) => {
                let pattern = |at: usize| routes.get(at).map_or("", |route| &route.pattern);
                match closeness(pattern(one.0), pattern(rest.0)) {
                    Ordering::Less => Some(rest),
                    _ => Some(one),
                }
            }
            (one, rest) => one.or(rest),
        }
    }
}

/// Which of two patterns that match the same path says more about it: where they first differ, text is closer than a
/// parameter, and a parameter than the rest.
fn closeness(one: &str, other: &str) -> Ordering {
    rank(one).cmp(rank(other))
}

fn rank(pattern: &str) -> impl Iterator<Item = u8> {
    let mut bytes = pattern.bytes().peekable();
    std::iter::from_fn(move || {
        let byte = bytes.next()?;
        if byte != b'{' || bytes.next_if_eq(&b'{').is_some() {
            return Some(byte);
        }
        let is_rest = bytes.peek() == Some(&b'*');
        bytes.by_ref().find(|byte| *byte == b'}');
        Some(u8::from(!is_rest))
    })
}

struct Search<'a, 'm> {
    method: &'m Method,
    /// The first route that matches the path and not the method.
    refused: Option<&'a Route>,
}

impl<'a> Search<'a, '_> {
    fn try_route(
        &mut self,
        route: Option<&'a Route>,
        parameters: impl FnOnce() -> PathParameters,
    ) -> Option<Found<'a>> {
        let route = route?;
        match route.handler(self.method) {
            Some(handler) => Some(Found::Handler(handler, route, parameters())),
            None => {
                self.refused.get_or_insert(route);
                None
            }
        }
    }

    #[cfg(feature = "regex")]
    fn try_expression(
        &mut self,
        expression: &Expression,
        route: Option<&'a Route>,
        path: &str,
    ) -> Option<Found<'a>> {
        let captures = expression.captures(path)?;
        self.try_route(route, || PathParameters::captured(expression, &captures))
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::closeness;

    #[test]
    fn text_is_closer_than_a_parameter_and_that_than_the_rest() {
        for (closer, other) in [
            ("/static/{*path}", "/{user}/{repository}"),
            ("/{user}/{repository}", "/{*path}"),
            ("/{user}/x", "/{other}/{*path}"),
            ("/{x}.json", "/{*path}"),
            ("/{{x}}/{*rest}", "/{x}/a"),
        ] {
            assert_eq!(
                closeness(closer, other),
                Ordering::Greater,
                "{closer} {other}"
            );
            assert_eq!(closeness(other, closer), Ordering::Less, "{closer} {other}");
        }
    }
}
