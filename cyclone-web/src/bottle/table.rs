//! Which rule a request finds, by Bottle's order.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use super::answer::Callback;
use super::plugin::DynPlugin;
use super::rule::{Filters, Methods, Path, Rule};
use crate::application::Application;
use crate::router::{Expression, PathParameters, regex};

/// The rules of a bottle.
#[derive(Default)]
pub(super) struct Table {
    by_method: Vec<(Key, Rules)>,
    targets: Vec<Target>,
}

/// Which requests rules are for.
#[derive(Clone, PartialEq, Eq)]
enum Key {
    Proxy,
    Method(Method),
    Any,
}

/// The rules of one method: numbers of targets.
#[derive(Default)]
struct Rules {
    literal: HashMap<String, usize>,
    dynamic: Vec<(String, Expression, usize)>,
}

/// What a rule leads to.
pub(super) struct Target {
    path: String,
    pub(super) callback: Arc<Callback>,
    pub(super) layers: Vec<Arc<dyn DynPlugin>>,
    pub(super) body_limit: Option<u64>,
}

/// What stands at a path.
pub(super) enum Match<'a> {
    Found(&'a Target, PathParameters),
    /// There are rules, but for these methods.
    OtherMethods(Vec<Method>),
    Nothing,
}

impl Table {
    /// Adds a rule; if something is wrong with it, it is said with the path.
    pub(super) fn add(
        &mut self,
        rule: &mut Rule,
        filters: &Filters,
        callback: &Arc<Callback>,
        layers: &[Arc<dyn DynPlugin>],
        application: &mut Application,
    ) -> Result<(), (String, String)> {
        let keys: Vec<Key> = match &rule.methods {
            Methods::These(methods) => methods.iter().cloned().map(Key::Method).collect(),
            Methods::Any => vec![Key::Any],
            Methods::Proxy => vec![Key::Proxy],
        };
        for path in &rule.paths {
            let problem = |problem: String| (path.clone(), problem);
            let parsed = filters.parse(path).map_err(problem)?;
            if let Some(name) = rule.name.take() {
                let expression = match &parsed {
                    Path::Literal(text) => ::regex::escape(text),
                    Path::Dynamic(expression) => expression.clone(),
                };
                application
                    .name_path(&name, &regex(expression))
                    .map_err(problem)?;
            }
            let at = self.targets.len();
            for key in &keys {
                self.add_path(key, &parsed, at).map_err(problem)?;
            }
            self.targets.push(Target {
                path: path.clone(),
                callback: Arc::clone(callback),
                layers: layers.to_vec(),
                body_limit: rule.body_limit,
            });
        }
        Ok(())
    }

    fn add_path(&mut self, key: &Key, path: &Path, at: usize) -> Result<(), String> {
        let place = match self.by_method.iter().position(|(other, _)| other == key) {
            Some(place) => place,
            None => {
                self.by_method.push((key.clone(), Rules::default()));
                self.by_method.len() - 1
            }
        };
        let rules = &mut self.by_method[place].1;
        let taken = match path {
            Path::Literal(text) => rules.literal.insert(text.clone(), at),
            Path::Dynamic(text) => {
                let expression = Expression::new(text)?;
                let mut dynamic = rules.dynamic.iter();
                let taken = dynamic.find_map(|(other, _, at)| (other == text).then_some(*at));
                rules.dynamic.push((text.clone(), expression, at));
                taken
            }
        };
        match taken.and_then(|taken| self.targets.get(taken)) {
            Some(other) => Err(format!("`{}` has a function for that already", other.path)),
            None => Ok(()),
        }
    }

    /// What stands at a path, percent-encoded as it came.
    pub(super) fn find(&self, method: &Method, path: &str) -> Match<'_> {
        let own = Key::Method(method.clone());
        let get = (*method == Method::HEAD).then_some(Key::Method(Method::GET));
        let keys = [Some(Key::Proxy), Some(own), get, Some(Key::Any)];
        let keys: Vec<Key> = keys.into_iter().flatten().collect();
        for key in &keys {
            let rules = self.by_method.iter().find(|(other, _)| other == key);
            if let Some((at, parameters)) = rules.and_then(|(_, rules)| rules.find(path))
                && let Some(target) = self.targets.get(at)
            {
                return Match::Found(target, parameters);
            }
        }
        let mut allowed = Vec::new();
        for (key, rules) in &self.by_method {
            if let Key::Method(other) = key
                && !keys.contains(key)
                && rules.find(path).is_some()
            {
                allowed.push(other.clone());
            }
        }
        if allowed.contains(&Method::GET) && !allowed.contains(&Method::HEAD) {
            allowed.push(Method::HEAD);
        }
        if allowed.is_empty() {
            Match::Nothing
        } else {
            Match::OtherMethods(allowed)
        }
    }
}

impl Rules {
    fn find(&self, path: &str) -> Option<(usize, PathParameters)> {
        if let Some(at) = self.literal.get(path) {
            return Some((*at, PathParameters::default()));
        }
        self.dynamic.iter().find_map(|(_, expression, at)| {
            let captures = expression.captures(path)?;
            Some((*at, PathParameters::captured(expression, &captures)))
        })
    }
}
