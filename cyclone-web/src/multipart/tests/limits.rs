//! Just under, at, and just over.

use super::super::{
    MAX_AROUND_PARTS, MAX_PART_FIELDS, MAX_PART_HEADER, MAX_PART_NAME, MAX_PARTS, MultipartConfig,
};
use super::{MultipartErrorKind, NAMED, Outcome, one, parse, parse_pieces, parse_with};

/// Whole and in bytes: the form is too long for all its places.
fn parse_long(form: &str, config: &MultipartConfig) -> Outcome {
    let whole = parse_pieces("b", &[form.as_bytes()], config);
    let bytes: Vec<&[u8]> = form.as_bytes().chunks(1).collect();
    assert_eq!(parse_pieces("b", &bytes, config), whole);
    whole
}

/// Tornado 6.5.5: unlimited parts.
#[test]
fn tornado_6_5_5_number_of_parts() {
    let form = |count: usize| format!("--b\r\n{NAMED}\r\n\r\nx\r\n").repeat(count) + "--b--";
    let default = MultipartConfig::new();
    let limit = MAX_PARTS;
    assert_eq!(parse_long(&form(99), &default).unwrap().len(), 99);
    assert_eq!(parse_long(&form(100), &default).unwrap().len(), 100);
    let refused = Err(MultipartErrorKind::TooManyParts { limit });
    assert_eq!(parse_long(&form(101), &default), refused);

    let none = MultipartConfig::new().parts(0);
    assert_eq!(parse_with("b", b"--b--", &none), Ok(Vec::new()));
    let refused = Err(MultipartErrorKind::TooManyParts { limit: 0 });
    assert_eq!(parse_with("b", form(1).as_bytes(), &none), refused);
}

/// Tornado 6.5.5: unlimited headers of parts.
#[test]
fn tornado_6_5_5_header_of_a_part() {
    let config = MultipartConfig::new().part_header(64);
    let header = |length: usize| format!("{NAMED}\r\nx: {}", "x".repeat(length - NAMED.len() - 5));
    for length in [63, 64] {
        assert_eq!(header(length).len(), length);
        assert!(parse_with("b", one(&header(length), "1").as_bytes(), &config).is_ok());
    }
    let refused = Err(MultipartErrorKind::HeaderTooLarge { limit: 64 });
    for length in [65, 66, 67, 68, 69, 200] {
        let form = one(&header(length), "1");
        assert_eq!(
            parse_with("b", form.as_bytes(), &config),
            refused,
            "{length}"
        );
    }

    let default = MultipartConfig::new();
    let limit = MAX_PART_HEADER;
    assert!(parse_long(&one(&header(limit), "1"), &default).is_ok());
    let refused = Err(MultipartErrorKind::HeaderTooLarge { limit });
    assert_eq!(parse_long(&one(&header(limit + 1), "1"), &default), refused);
    // One that never ends is refused long before the body is.
    let endless = format!("--b\r\n{}", "x".repeat(limit + 4));
    assert_eq!(parse_long(&endless, &default), refused);
}

#[test]
fn header_fields() {
    let header = |count: usize| NAMED.to_owned() + &"\r\nx: y".repeat(count - 1);
    for count in [MAX_PART_FIELDS - 1, MAX_PART_FIELDS] {
        assert!(parse("b", one(&header(count), "1")).is_ok());
    }
    let over = parse("b", one(&header(MAX_PART_FIELDS + 1), "1"));
    assert_eq!(over, Err(MultipartErrorKind::TooManyFields));
}

#[test]
fn names() {
    let default = MultipartConfig::new();
    for (length, fits) in [
        (MAX_PART_NAME - 1, true),
        (MAX_PART_NAME, true),
        (MAX_PART_NAME + 1, false),
    ] {
        let name = "n".repeat(length);
        for header in [
            format!("content-disposition: form-data; name={name}"),
            format!("content-disposition: form-data; name=a; filename={name}"),
            format!("content-disposition: form-data; name=a; filename*=utf-8''{name}"),
        ] {
            let parsed = parse_long(&one(&header, "1"), &default);
            match fits {
                true => assert!(parsed.is_ok(), "{length}"),
                false => assert_eq!(parsed, Err(MultipartErrorKind::NameTooLong)),
            }
        }
    }
}

#[test]
fn what_is_around_the_parts() {
    let default = MultipartConfig::new();
    let refused = Err(MultipartErrorKind::Surplus);
    for (length, fits) in [
        (MAX_AROUND_PARTS - 1, true),
        (MAX_AROUND_PARTS, true),
        (MAX_AROUND_PARTS + 1, false),
    ] {
        let surplus = "x".repeat(length);
        for form in [format!("{surplus}\r\n--b--"), format!("--b--{surplus}")] {
            match fits {
                true => assert_eq!(parse_long(&form, &default), Ok(Vec::new()), "{length}"),
                false => assert_eq!(parse_long(&form, &default), refused, "{length}"),
            }
        }
    }
}

#[test]
fn white_space_behind_a_boundary() {
    for (length, fits) in [(63, true), (64, true), (65, false)] {
        let form = format!("--b{}\r\n{NAMED}\r\n\r\n1\r\n--b--", " ".repeat(length));
        match fits {
            true => assert!(parse("b", form).is_ok(), "{length}"),
            false => assert_eq!(parse("b", form), Err(MultipartErrorKind::Delimiter)),
        }
    }
}
