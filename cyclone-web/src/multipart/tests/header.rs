//! Header fields of parts.

use super::super::PartHeader;
use super::{MultipartErrorKind, NAMED, found, one, parse};

fn refused(header: &str) -> MultipartErrorKind {
    parse("b", one(header, "1")).unwrap_err()
}

#[test]
fn fields_in_any_case_and_order() {
    let header = "CONTENT-TYPE:\ttext/plain \r\nX-Other: 1\r\ncontent-disposition:form-data;name=a";
    let part = PartHeader::parse(header.as_bytes()).unwrap();
    assert_eq!(part.name(), "a");
    assert_eq!(part.content_type(), Some("text/plain"));
    assert_eq!(part.media_type().unwrap().essence(), "text/plain");
    let fields: Vec<_> = part.fields().collect();
    assert_eq!(fields[1], ("x-other", "1"));
    assert_eq!(fields.len(), 3);
}

/// Tornado 6.5.5: a CR in the header of a part.
#[test]
fn tornado_6_5_5_cr_in_the_header_of_a_part() {
    for control in [
        "\r", "\n", "\0", "\x0b", "\x0c", "\x1b", "\x7f", "\r\r", "\n\r",
    ] {
        for header in [
            format!("{NAMED}{control}X: y"),
            format!("{NAMED}\r\nX: y{control}z"),
            format!("{NAMED}\r\nX{control}: y"),
            format!("Content-Disposition: form-data; name=\"a{control}b\""),
            format!("Content-Disposition: form-data; name=\"a\"; filename=\"x{control}.sh\""),
        ] {
            assert_eq!(refused(&header), MultipartErrorKind::Header, "{header:?}");
        }
    }
}

#[test]
fn malformed_fields() {
    for field in [
        "x",
        ":",
        ": y",
        "x : y",
        " x: y",
        "\tx: y",
        "x y: z",
        "\u{e9}: y",
        "x(: y",
    ] {
        for header in [format!("{NAMED}\r\n{field}"), format!("{field}\r\n{NAMED}")] {
            assert_eq!(refused(&header), MultipartErrorKind::Header, "{header:?}");
        }
    }
    // A line that goes on in the next one.
    let folded = "Content-Disposition: form-data; name=a;\r\n x=y";
    assert_eq!(refused(folded), MultipartErrorKind::Header);
    let form = [b"--b\r\n", NAMED.as_bytes(), b"\xff\r\n\r\n1\r\n--b--"].concat();
    assert_eq!(parse("b", form), Err(MultipartErrorKind::Header));
}

#[test]
fn fields_that_must_not_be_there_twice() {
    let twice = format!("{NAMED}\r\n{NAMED}");
    assert_eq!(refused(&twice), MultipartErrorKind::Disposition);
    let twice = format!("{NAMED}\r\nContent-Type: a/b\r\ncontent-type: a/b");
    assert_eq!(refused(&twice), MultipartErrorKind::Header);
}

#[test]
fn a_part_without_a_disposition() {
    for form in [
        "--b\r\n\r\n1\r\n--b--",
        "--b\r\nContent-Type: a/b\r\n\r\n1\r\n--b--",
    ] {
        assert_eq!(
            parse("b", form),
            Err(MultipartErrorKind::Disposition),
            "{form:?}"
        );
    }
}

/// RFC 7578 4.7: nobody encodes, and whoever does must not have the encoded bytes taken for the content.
#[test]
fn transfer_encodings() {
    for encoding in ["7bit", "8bit", "binary", "BINARY"] {
        let header = format!("{NAMED}\r\nContent-Transfer-Encoding: {encoding}");
        assert_eq!(parse("b", one(&header, "1")), Ok(vec![found("a", "1")]));
    }
    for encoding in ["base64", "quoted-printable", "", "x"] {
        let header = format!("{NAMED}\r\nContent-Transfer-Encoding: {encoding}");
        assert_eq!(refused(&header), MultipartErrorKind::Header, "{encoding}");
    }
}

#[test]
fn names_that_can_be_names_of_files() {
    let safe = |name: &str| {
        let header = format!("content-disposition: form-data; name=a; filename*=utf-8''{name}");
        let header = PartHeader::parse(header.as_bytes()).unwrap();
        header.safe_file_name().map(str::to_owned)
    };
    for (name, expected) in [
        ("photo.png", "photo.png"),
        (".profile", ".profile"),
        ("a%20b", "a b"),
        ("%E2%82%AC.txt", "\u{20ac}.txt"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\dir\\file.txt", "file.txt"),
        ("..\\..\\file", "file"),
        ("a/b\\c", "c"),
    ] {
        assert_eq!(safe(name).as_deref(), Some(expected), "{name}");
    }
    for name in [
        "", ".", "..", "...", "%20", ".%20.", "a/", "a/..", "a\\", "a%00b", "a%0Ab", "a%7Fb",
        "a%C2%85", "c:x", "a%22b", "%3Cx", "a?", "a*", "a|b",
    ] {
        assert_eq!(safe(name), None, "{name}");
    }
}
