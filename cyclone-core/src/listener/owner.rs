//! Users and groups by name.

use std::fs;
use std::io;

/// The number of a user, given by name or by itself.
pub(super) fn user(name: &str) -> io::Result<u32> {
    number(name, "user", "/etc/passwd")
}

/// The number of a group, given by name or by itself.
pub(super) fn group(name: &str) -> io::Result<u32> {
    number(name, "group", "/etc/group")
}

fn number(name: &str, what: &str, file: &str) -> io::Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    find(&fs::read_to_string(file)?, name).ok_or_else(|| {
        let reason = format!("no {what} `{name}` in {file}: give its number");
        io::Error::new(io::ErrorKind::NotFound, reason)
    })
}

/// The third field of the line whose first is the name (passwd(5), group(5)).
fn find(table: &str, name: &str) -> Option<u32> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        fields.nth(1)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::{find, group, user};

    #[test]
    fn names_are_found_in_their_table() {
        let table = "root:x:0:0:root:/root:/bin/sh\n\nbroken\n+::::::\nwww-data:x:33:34::/:/x\n";
        assert_eq!(find(table, "root"), Some(0));
        assert_eq!(find(table, "www-data"), Some(33));
        assert_eq!(find("www-data:x:34:alice,bob\n", "www-data"), Some(34));
        for name in ["www", "x", "", "broken", "alice"] {
            assert_eq!(find(table, name), None);
        }
    }

    #[test]
    fn numbers_are_taken_as_they_are_and_unknown_names_are_named() {
        assert_eq!(user("4711").unwrap(), 4711);
        assert_eq!(user("root").unwrap(), 0);
        assert_eq!(group("65534").unwrap(), 65534);
        let error = group("no-such-group").unwrap_err().to_string();
        assert_eq!(
            error,
            "no group `no-such-group` in /etc/group: give its number"
        );
    }
}
