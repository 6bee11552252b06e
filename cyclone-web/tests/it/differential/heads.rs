//! What our engine serves, beside what `httparse` alone makes of the same bytes.

use http::Version;

use super::compare::behind;
use super::talk::Outcome;

/// Fields of the largest head.
const MOST_FIELDS: usize = 300;

/// Checks that every head that was served is one, and is what the handler saw. Returns how many there were.
pub(crate) fn check(stream: &[u8], outcome: &Outcome) -> usize {
    let seen = outcome.events.iter().map_while(|event| event.seen());
    let mut count = 0;
    for (place, seen) in seen.enumerate() {
        let bytes = behind(stream, place);
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut head = httparse::Request::new(&mut fields);
        let parsed = head.parse(bytes).unwrap_or_else(|error| {
            panic!("{error}: {} as {seen:?}", bytes.escape_ascii());
        });
        assert!(parsed.is_complete(), "{} as {seen:?}", bytes.escape_ascii());
        assert_eq!(head.method, Some(&*seen.method));
        assert_eq!(
            head.version,
            Some(u8::from(seen.version == Version::HTTP_11))
        );
        let uri: http::Uri = head.path.unwrap().parse().unwrap();
        assert_eq!(uri.to_string(), seen.uri);
        let mut fields: Vec<_> = head
            .headers
            .iter()
            .map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec()))
            .collect();
        let is_chunked = fields.iter().any(|(name, _)| name == "transfer-encoding");
        let mut lengths = 0;
        fields.retain(|(name, _)| {
            // A length beside a coding does not count, and of equal ones there is one.
            lengths += usize::from(name == "content-length");
            name != "content-length" || (lengths == 1 && !is_chunked)
        });
        fields.sort_by(|(name, _), (other, _)| name.cmp(other));
        assert_eq!(fields, seen.headers);
        count += 1;
    }
    count
}
