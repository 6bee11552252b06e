//! The `date` field, rendered once a second.

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime};

use crate::http_date;

/// The line as it is sent, with the end of the line before it and of the head.
const LINE_BYTES: usize = "\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n".len();

struct Rendered {
    line: [u8; LINE_BYTES],
    until: Option<Instant>,
}

thread_local! {
    static RENDERED: RefCell<Rendered> = const {
        RefCell::new(Rendered { line: [0; LINE_BYTES], until: None })
    };
}

/// Appends the `date` field as the last one: the end of the line before it, and that of the head. `now` saves a look
/// at the clock.
pub(crate) fn append_last(out: &mut Vec<u8>, now: Instant) {
    RENDERED.with_borrow_mut(|rendered| {
        if rendered.until.is_none_or(|until| now >= until) {
            rendered.render(now);
        }
        out.extend_from_slice(&rendered.line);
    });
}

impl Rendered {
    #[cold]
    fn render(&mut self, now: Instant) {
        let time = SystemTime::now();
        let line = format!("\r\ndate: {}\r\n\r\n", http_date::format_clamped(time));
        if line.len() == LINE_BYTES {
            self.line.copy_from_slice(line.as_bytes());
        }
        let into_second = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.subsec_nanos());
        let left = Duration::from_secs(1) - Duration::from_nanos(u64::from(into_second));
        self.until = Some(now + left);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use http::HeaderValue;

    #[test]
    fn the_date_is_that_of_the_clock_and_rendered_anew_when_its_second_is_over() {
        let mut line = Vec::new();
        let now = Instant::now();
        super::append_last(&mut line, now);
        let text = String::from_utf8(line.clone()).unwrap();
        let value = text
            .strip_prefix("\r\ndate: ")
            .unwrap()
            .strip_suffix("\r\n\r\n")
            .unwrap();
        let value = HeaderValue::try_from(value).unwrap();
        let date = crate::http_date::parse(&value).unwrap();
        assert!(SystemTime::now().duration_since(date).unwrap() < Duration::from_secs(60));

        let until = super::RENDERED
            .with_borrow(|rendered| rendered.until)
            .unwrap();
        assert!(until > now && until <= now + Duration::from_secs(1));
        super::append_last(&mut line, now);
        assert_eq!(
            super::RENDERED.with_borrow(|rendered| rendered.until),
            Some(until)
        );
        super::append_last(&mut line, until);
        assert_ne!(
            super::RENDERED.with_borrow(|rendered| rendered.until),
            Some(until)
        );
    }
}
