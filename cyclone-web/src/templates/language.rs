//! What templates have of the language of a page.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use minijinja::value::{Kwargs, Object, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::names::{failed, plain_function};
use super::page::Page;
use crate::locale::{DateFormat, Locale, parse_date, replace};

/// A name that has to do with the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Translate,
    Ngettext,
    Pgettext,
    Npgettext,
    Locale,
    FormatDate,
    FormatDay,
    FriendlyNumber,
}

impl Name {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "_" | "gettext" => Self::Translate,
            "ngettext" => Self::Ngettext,
            "pgettext" => Self::Pgettext,
            "npgettext" => Self::Npgettext,
            "locale" => Self::Locale,
            "format_date" => Self::FormatDate,
            "format_day" => Self::FormatDay,
            "friendly_number" => Self::FriendlyNumber,
            _ => return None,
        })
    }

    pub(super) fn value(self, page: &Arc<Page>) -> Value {
        let locale = page.locale.clone();
        if self == Self::Locale {
            return Value::from_object(LocaleObject(locale));
        }
        plain_function(move |given| self.call(&locale, given))
    }

    fn call(self, locale: &Locale, given: &[Value]) -> Result<Value, Error> {
        match self {
            Self::Translate => translate(locale, given),
            Self::Ngettext => {
                let (one, many, n, named): (&str, &str, i64, Kwargs) = from_args(given)?;
                fill(locale.ngettext(one, many, n), Some(n), &named)
            }
            Self::Pgettext => pgettext(locale, given),
            Self::Npgettext => {
                let (context, one, many, n, named): (&str, &str, &str, i64, Kwargs) =
                    from_args(given)?;
                fill(locale.npgettext(context, one, many, n), Some(n), &named)
            }
            Self::FormatDate => format_date(locale, given),
            Self::FormatDay => format_day(locale, given),
            Self::FriendlyNumber => {
                let (number,): (i64,) = from_args(given)?;
                Ok(Value::from(locale.friendly_number(number)))
            }
            Self::Locale => Err(failed("a locale is not callable")),
        }
    }
}

/// `_(message)` and `_(message, plural, count)`, as Tornado's `translate`.
fn translate(locale: &Locale, given: &[Value]) -> Result<Value, Error> {
    let (message, plural, n, named): (&str, Option<&str>, Option<i64>, Kwargs) = from_args(given)?;
    match (plural, n) {
        (Some(plural), Some(n)) => fill(locale.ngettext(message, plural, n), Some(n), &named),
        (Some(_), None) => Err(failed("a plural message needs a count")),
        _ => fill(locale.translate(message), None, &named),
    }
}

/// `pgettext(context, message)` and `pgettext(context, message, plural, count)`.
fn pgettext(locale: &Locale, given: &[Value]) -> Result<Value, Error> {
    let (context, message, plural, n, named): (&str, &str, Option<&str>, Option<i64>, Kwargs) =
        from_args(given)?;
    match (plural, n) {
        (Some(plural), Some(n)) => fill(
            locale.npgettext(context, message, plural, n),
            Some(n),
            &named,
        ),
        (Some(_), None) => Err(failed("a plural message needs a count")),
        _ => fill(locale.pgettext(context, message), None, &named),
    }
}

/// Puts named arguments in the place of `%(name)s`; the count is `num` too. Without any, and without a count, the
/// message stays as it is, percent signs and all.
fn fill(message: &str, n: Option<i64>, named: &Kwargs) -> Result<Value, Error> {
    let has_names = named.args().next().is_some();
    if n.is_none() && !has_names {
        return Ok(Value::from(message));
    }
    // A message with a count and no names may be filled by `|format` behind it.
    if !has_names && !message.contains("%(num)") {
        return Ok(Value::from(message));
    }
    let text = replace(message, |name, text| {
        let value = named.get::<Option<Value>>(name).ok().flatten();
        let value = value.or_else(|| n.filter(|_| name == "num").map(Value::from));
        value.is_some_and(|value| {
            text.push_str(&value.to_string());
            true
        })
    });
    Ok(Value::from(text.into_owned()))
}

/// `format_date(date, gmt_offset=0, relative=true, shorter=false, full_format=false)`
fn format_date(locale: &Locale, given: &[Value]) -> Result<Value, Error> {
    let (date, offset, named): (&Value, Option<i32>, Kwargs) = from_args(given)?;
    let flag = |name: &str, default: bool| -> Result<bool, Error> {
        Ok(named.get::<Option<bool>>(name)?.unwrap_or(default))
    };
    let offset = match offset {
        Some(offset) => offset,
        None => named.get::<Option<i32>>("gmt_offset")?.unwrap_or(0),
    };
    let format = DateFormat::new()
        .gmt_offset(offset)
        .relative(flag("relative", true)?)
        .shorter(flag("shorter", false)?)
        .full_format(flag("full_format", false)?);
    named.assert_all_used()?;
    Ok(Value::from(locale.format_date(moment(date)?, format)))
}

/// `format_day(date, gmt_offset=0, dow=true)`
fn format_day(locale: &Locale, given: &[Value]) -> Result<Value, Error> {
    let (date, offset, named): (&Value, Option<i32>, Kwargs) = from_args(given)?;
    let offset = match offset {
        Some(offset) => offset,
        None => named.get::<Option<i32>>("gmt_offset")?.unwrap_or(0),
    };
    let day_of_week = named.get::<Option<bool>>("dow")?.unwrap_or(true);
    named.assert_all_used()?;
    Ok(Value::from(locale.format_day(
        moment(date)?,
        offset,
        day_of_week,
    )))
}

/// A date as values have it: seconds since 1970, a text of RFC 3339, or what serde makes of a `SystemTime`.
fn moment(value: &Value) -> Result<SystemTime, Error> {
    let found = match value.kind() {
        ValueKind::Number => seconds(value),
        ValueKind::String => value.as_str().and_then(parse_date),
        _ => {
            let part = |name: &str| u64::try_from(value.get_attr(name).ok()?).ok();
            part("secs_since_epoch").and_then(|seconds| {
                let nanos = part("nanos_since_epoch")?;
                let distance =
                    Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanos))?;
                UNIX_EPOCH.checked_add(distance)
            })
        }
    };
    found.ok_or_else(|| {
        let problem = "a date is a number of seconds since 1970 or a text of RFC 3339";
        Error::new(ErrorKind::InvalidOperation, problem)
    })
}

fn seconds(value: &Value) -> Option<SystemTime> {
    let seconds = f64::try_from(value.clone()).ok()?;
    let distance = Duration::try_from_secs_f64(seconds.abs()).ok()?;
    if seconds < 0.0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    }
}

/// The name `locale` in templates.
struct LocaleObject(Locale);

impl fmt::Debug for LocaleObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Object for LocaleObject {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "code" => Value::from(self.0.code()),
            "tag" => Value::from(self.0.language_tag()),
            "name" => Value::from(self.0.name()),
            "rtl" => Value::from(self.0.is_rtl()),
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        given: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "translate" => translate(&self.0, given),
            "list" => {
                let (parts,): (Vec<String>,) = from_args(given)?;
                Ok(Value::from(self.0.list(&parts)))
            }
            name => match Name::parse(name) {
                Some(name) => name.call(&self.0, given),
                None => Err(Error::from(ErrorKind::UnknownMethod)),
            },
        }
    }
}
