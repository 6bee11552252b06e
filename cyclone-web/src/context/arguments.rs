//! Arguments of one place alone, and with their white space.

use super::RequestContext;
use crate::arguments::{Arguments, ArgumentsError};
use crate::error::{Error, Result};

impl RequestContext {
    /// The last argument of the query string called `name`, stripped, as Tornado's `get_query_argument`. All of them are
    /// in [`query_arguments`](Self::query_arguments).
    ///
    /// # Errors
    /// A 400 that names the argument when there is none, or when the query string cannot be decoded.
    pub fn query_argument(&self, name: &str) -> Result<String> {
        needed(name, self.query_arguments()?.get(name))
    }

    /// The last argument of the form in the body called `name`, stripped, as Tornado's `get_body_argument`. All of them
    /// are in [`form_arguments`](Self::form_arguments).
    ///
    /// # Errors
    /// A 400 that names the argument when there is none, or no form was read.
    pub fn body_argument(&self, name: &str) -> Result<String> {
        needed(name, self.form_arguments().and_then(|form| form.get(name)))
    }

    /// Like [`argument`](Self::argument), with the white space around it, as Tornado's `strip=False`; `None` when there
    /// is none.
    ///
    /// # Errors
    /// A 400 when the query string cannot be decoded.
    pub fn unstripped_argument(&self, name: &str) -> Result<Option<String>> {
        let form = self.form_arguments();
        let value = match form.and_then(|form| form.get_unstripped(name)) {
            Some(value) => Some(value),
            None => self.query_arguments()?.get_unstripped(name),
        };
        Ok(value.map(str::to_owned))
    }

    /// Like [`arguments`](Self::arguments), with the white space around each.
    ///
    /// # Errors
    /// As [`unstripped_argument`](Self::unstripped_argument).
    pub fn unstripped_arguments(&self, name: &str) -> Result<Vec<String>> {
        let all = |arguments: &Arguments| -> Vec<String> {
            let values = arguments.get_all_unstripped(name);
            values.map(str::to_owned).collect()
        };
        let mut values = all(self.query_arguments()?);
        values.extend(self.form_arguments().map(all).unwrap_or_default());
        Ok(values)
    }
}

fn needed(name: &str, value: Option<&str>) -> Result<String> {
    value.map(str::to_owned).ok_or_else(|| {
        let missing = ArgumentsError::Missing {
            name: name.to_owned(),
        };
        Error::new(missing.status()).message(missing.to_string())
    })
}
