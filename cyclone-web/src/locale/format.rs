//! Dates, lists and numbers as people write them: byte for byte what Tornado's `Locale` gives.

use std::borrow::Cow;
use std::time::SystemTime;

use super::Locale;
use super::civil::{self, Civil};
use super::interpolate::replace;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// How [`Locale::format_date`] writes a date; the names and defaults are Tornado's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateFormat {
    gmt_offset: i32,
    relative: bool,
    shorter: bool,
    full_format: bool,
    now: Option<SystemTime>,
}

impl Default for DateFormat {
    fn default() -> Self {
        Self {
            gmt_offset: 0,
            relative: true,
            shorter: false,
            full_format: false,
            now: None,
        }
    }
}

impl DateFormat {
    /// Relative to now (`2 minutes ago`), on the clock of UTC.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How far the clock of the reader is **behind** UTC, in minutes: what JavaScript's `getTimezoneOffset` gives.
    /// None unless set.
    #[must_use]
    pub fn gmt_offset(mut self, minutes: i32) -> Self {
        self.gmt_offset = minutes;
        self
    }

    /// Whether dates near now are written as a distance from it; they are unless set.
    #[must_use]
    pub fn relative(mut self, yes: bool) -> Self {
        self.relative = yes;
        self
    }

    /// Whether the time of the day is left out of dates before today; it is not unless set.
    #[must_use]
    pub fn shorter(mut self, yes: bool) -> Self {
        self.shorter = yes;
        self
    }

    /// Whether the date is always written in full: `July 10, 1980 at 8:00 am`.
    #[must_use]
    pub fn full_format(mut self, yes: bool) -> Self {
        self.full_format = yes;
        self
    }

    /// Sets what counts as now; the clock of the system unless set.
    #[must_use]
    pub fn now(mut self, now: SystemTime) -> Self {
        self.now = Some(now);
        self
    }
}

impl Locale {
    /// Writes a date, relative to now unless the format says otherwise.
    ///
    /// The words (`%(minutes)d minutes ago`, `%(month_name)s %(day)s`, `January`) are messages of the catalogue, the
    /// same as Tornado's. A date up to a minute ahead counts as now; what is further ahead is written in full.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use cyclone_web::locale::{DateFormat, Locale};
    ///
    /// let locale = Locale::default();
    /// let date = UNIX_EPOCH + Duration::from_secs(332_092_800);
    /// let format = DateFormat::new().now(date + Duration::from_secs(150));
    /// assert_eq!(locale.format_date(date, format), "2 minutes ago");
    /// assert_eq!(locale.format_date(date, format.full_format(true)), "July 10, 1980 at 4:00 pm");
    /// ```
    #[must_use]
    pub fn format_date(&self, date: SystemTime, format: DateFormat) -> String {
        let now = civil::micros(format.now.unwrap_or_else(SystemTime::now));
        let mut date = civil::micros(date);
        let DateFormat {
            gmt_offset,
            relative,
            shorter,
            mut full_format,
            ..
        } = format;
        if date > now {
            if relative && now.saturating_add(60_000_000) > date {
                date = now;
            } else {
                full_format = true;
            }
        }
        let offset = i64::from(gmt_offset) * 60;
        let local = |micros: i64| micros.div_euclid(1_000_000) - offset;
        let local_date = Civil::of(local(date));
        let mut words = None;
        if !full_format {
            let difference = now.saturating_sub(date) / 1_000_000;
            let (days, seconds) = (difference / 86_400, difference % 86_400);
            if relative && days == 0 {
                return self.ago(seconds);
            }
            let yesterday = Civil::of(local(now) - 86_400);
            words = if days == 0 {
                Some("%(time)s")
            } else if days == 1 && local_date.day == yesterday.day && relative {
                Some(pick(shorter, "yesterday", "yesterday at %(time)s"))
            } else if days < 5 {
                Some(pick(shorter, "%(weekday)s", "%(weekday)s at %(time)s"))
            } else if days < 334 {
                Some(pick(
                    shorter,
                    "%(month_name)s %(day)s",
                    "%(month_name)s %(day)s at %(time)s",
                ))
            } else {
                None
            };
        }
        let words = words.unwrap_or(pick(
            shorter,
            "%(month_name)s %(day)s, %(year)s",
            "%(month_name)s %(day)s, %(year)s at %(time)s",
        ));
        self.fill(self.translate(words), &local_date)
    }

    fn ago(&self, seconds: i64) -> String {
        let (one, many, name, count) = if seconds < 50 {
            (
                "1 second ago",
                "%(seconds)d seconds ago",
                "seconds",
                seconds,
            )
        } else if seconds < 50 * 60 {
            let minutes = divide(seconds, 60);
            (
                "1 minute ago",
                "%(minutes)d minutes ago",
                "minutes",
                minutes,
            )
        } else {
            let hours = divide(seconds, 3_600);
            ("1 hour ago", "%(hours)d hours ago", "hours", hours)
        };
        let words = self.ngettext(one, many, count);
        super::interpolate(words, &[(name, &count)])
    }

    /// Writes a day: `Monday, January 22`, or without the day of the week; `gmt_offset` as in
    /// [`DateFormat::gmt_offset`].
    #[must_use]
    pub fn format_day(&self, date: SystemTime, gmt_offset: i32, day_of_week: bool) -> String {
        let seconds = civil::micros(date).div_euclid(1_000_000);
        let words = if day_of_week {
            "%(weekday)s, %(month_name)s %(day)s"
        } else {
            "%(month_name)s %(day)s"
        };
        let day = Civil::of(seconds - i64::from(gmt_offset) * 60);
        self.fill(self.translate(words), &day)
    }

    fn fill(&self, words: &str, date: &Civil) -> String {
        let name = |names: &'static [&'static str], number: usize| {
            names.get(number).map_or("", |name| self.translate(name))
        };
        let month = usize::from(date.month).saturating_sub(1);
        replace(words, |key, text| {
            let value = match key {
                "month_name" => Cow::Borrowed(name(&MONTHS, month)),
                "weekday" => Cow::Borrowed(name(&WEEKDAYS, usize::from(date.weekday))),
                "day" => date.day.to_string().into(),
                "year" => date.year.to_string().into(),
                "time" => self.time(date).into(),
                _ => return false,
            };
            text.push_str(&value);
            true
        })
        .into_owned()
    }

    fn time(&self, date: &Civil) -> String {
        let Civil { hour, minute, .. } = *date;
        let of_twelve = match hour % 12 {
            0 => 12,
            hour => hour,
        };
        match self.code() {
            "en" | "en_US" => {
                let half = if hour >= 12 { "pm" } else { "am" };
                format!("{of_twelve}:{minute:02} {half}")
            }
            "zh_CN" => {
                let half = if hour >= 12 {
                    "\u{4e0b}\u{5348}"
                } else {
                    "\u{4e0a}\u{5348}"
                };
                format!("{half}{of_twelve}:{minute:02}")
            }
            _ => format!("{hour}:{minute:02}"),
        }
    }

    /// Writes a list: `A, B and C`.
    ///
    /// ```
    /// let locale = cyclone_web::locale::Locale::default();
    /// assert_eq!(locale.list(&["A", "B", "C"]), "A, B and C");
    /// ```
    #[must_use]
    pub fn list<S: AsRef<str>>(&self, parts: &[S]) -> String {
        let Some((last, others)) = parts.split_last() else {
            return String::new();
        };
        if others.is_empty() {
            return last.as_ref().to_owned();
        }
        let comma = if self.code().starts_with("fa") {
            " \u{648} "
        } else {
            ", "
        };
        let others: Vec<&str> = others.iter().map(AsRef::as_ref).collect();
        super::interpolate(
            self.translate("%(commas)s and %(last)s"),
            &[("commas", &others.join(comma)), ("last", &last.as_ref())],
        )
    }

    /// Writes a whole number with commas between thousands where the language is English, `en` or `en_US`; as it is
    /// for others.
    ///
    /// Tornado puts a comma behind the sign of some negative numbers; here it never stands there.
    #[must_use]
    pub fn friendly_number(&self, value: i64) -> String {
        if !matches!(self.code(), "en" | "en_US") {
            return value.to_string();
        }
        let digits = value.unsigned_abs().to_string();
        let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
        if value < 0 {
            text.push('-');
        }
        for (index, digit) in digits.char_indices() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        text
    }
}

fn pick(shorter: bool, short: &'static str, long: &'static str) -> &'static str {
    if shorter { short } else { long }
}

/// Divides and rounds, a half to the even neighbour, as Python's `round`.
fn divide(value: i64, by: i64) -> i64 {
    let (whole, rest) = (value / by, value % by);
    let up = match (rest * 2).cmp(&by) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => whole % 2 == 1,
        std::cmp::Ordering::Greater => true,
    };
    whole + i64::from(up)
}

/// Every message of this module, and its plural.
pub(super) fn messages() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    const WORDS: [(&str, Option<&str>); 14] = [
        ("1 second ago", Some("%(seconds)d seconds ago")),
        ("1 minute ago", Some("%(minutes)d minutes ago")),
        ("1 hour ago", Some("%(hours)d hours ago")),
        ("%(time)s", None),
        ("yesterday", None),
        ("yesterday at %(time)s", None),
        ("%(weekday)s", None),
        ("%(weekday)s at %(time)s", None),
        ("%(month_name)s %(day)s", None),
        ("%(month_name)s %(day)s at %(time)s", None),
        ("%(month_name)s %(day)s, %(year)s", None),
        ("%(month_name)s %(day)s, %(year)s at %(time)s", None),
        ("%(weekday)s, %(month_name)s %(day)s", None),
        ("%(commas)s and %(last)s", None),
    ];
    let names = MONTHS.iter().chain(&WEEKDAYS).map(|name| (*name, None));
    WORDS.into_iter().chain(names)
}
