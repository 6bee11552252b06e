//! Boundaries, wherever they are cut.

use super::{MultipartErrorKind, NAMED, found, one, parse};

#[test]
fn parts_whatever_is_in_them() {
    let contents = [
        "",
        "x",
        "\r",
        "\n",
        "\r\n",
        "\r\n\r\n",
        "\r\n--",
        "\r\n-b",
        "\r\n--\r\n",
        "--b",
        "--b--",
        "\n--b--\n",
        "\r--b",
        "\r\r\n--a",
        "\r\n\r\n--",
        "\r\n--\r\n--\r",
        "x\r\n--\r",
    ];
    for content in contents {
        let form = one(NAMED, content);
        assert_eq!(
            parse("b", form),
            Ok(vec![found("a", content)]),
            "{content:?}"
        );
    }
}

/// What looks like the boundary up to its last byte, of a boundary as long as any.
#[test]
fn content_that_is_nearly_the_boundary() {
    let boundary = "-".repeat(69) + "x";
    let content = format!("\r\n--{}\r\n--{}y", "-".repeat(69), "-".repeat(68));
    let form = format!("--{boundary}\r\n{NAMED}\r\n\r\n{content}\r\n--{boundary}--");
    assert_eq!(parse(&boundary, form), Ok(vec![found("a", content)]));
}

#[test]
fn several_parts_and_what_is_around_them() {
    let second = NAMED.replace("\"a\"", "b");
    let form = format!(
        "to be ignored\r\n--\r\n--b \t \r\n{NAMED}\r\n\r\n1\r\n--b\r\n{second}\r\n\r\n\r\n--b--\t\r\nthat too\r\n--b\r\n"
    );
    let parts = vec![found("a", "1"), found("b", "")];
    assert_eq!(parse("b", form), Ok(parts));
    // RFC 2046 wants one part at least; browsers send none for an empty form.
    for none in ["--b--", "--b--\r\n", "\r\n--b--\r\n", "x\r\n--b--\r\n"] {
        assert_eq!(parse("b", none), Ok(Vec::new()), "{none:?}");
    }
}

#[test]
fn what_ends_too_early() {
    let whole = one(NAMED, "content");
    let end = whole.len() - "\r\n".len();
    assert!(parse("b", &whole[..end]).is_ok());
    for length in 0..end {
        let cut = parse("b", &whole[..length]);
        assert_eq!(cut, Err(MultipartErrorKind::Incomplete), "{length}");
    }
}

/// A boundary is a whole line. RFC 2046 5.1.1 would have the first ones be boundaries too; others take them for content.
#[test]
fn a_boundary_with_something_behind_it_is_refused() {
    for rest in [
        "c", "-", "-\r\n", "\n", "\r", "\rx", " x", " -", " --", "-x", "\r\r\n",
    ] {
        let form = format!("--b\r\n{NAMED}\r\n\r\n1\r\n--b{rest}z");
        assert_eq!(
            parse("b", form),
            Err(MultipartErrorKind::Delimiter),
            "{rest:?}"
        );
        let form = format!("--b{rest}z");
        assert_eq!(
            parse("b", form),
            Err(MultipartErrorKind::Delimiter),
            "{rest:?}"
        );
    }
}

#[test]
fn lines_that_end_with_lf_are_no_lines() {
    let form = one(NAMED, "1").replace("\r\n", "\n");
    assert_eq!(parse("b", form), Err(MultipartErrorKind::Delimiter));
    let form = one(NAMED, "1").replacen("\r\n\r\n", "\n\n", 1);
    assert_eq!(parse("b", form), Err(MultipartErrorKind::Incomplete));
}

#[test]
fn boundaries_that_are_allowed() {
    let longest = "b".repeat(70);
    for boundary in ["b", "a b", "'()+_,-./:=?", &longest] {
        let form = format!("--{boundary}\r\n{NAMED}\r\n\r\n1\r\n--{boundary}--");
        assert_eq!(parse(boundary, form), Ok(vec![found("a", "1")]));
    }
    for boundary in ["", " ", "b ", "b\r\n", "b\"", "\u{e9}", &"b".repeat(71)] {
        let refused = parse(boundary, "");
        assert_eq!(refused, Err(MultipartErrorKind::Boundary), "{boundary:?}");
    }
}
