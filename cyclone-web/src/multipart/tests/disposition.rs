//! Names, in all their forms.

use super::super::MultipartErrorKind;
use super::super::disposition::Disposition;

fn names(rest: &str) -> Option<(String, Option<String>)> {
    let parsed = Disposition::parse(&format!("form-data; {rest}"));
    let parsed = parsed.ok()?;
    Some((parsed.name, parsed.file_name))
}

fn file_name(rest: &str) -> Option<String> {
    names(&format!("name=a; {rest}"))?.1
}

#[test]
fn names_as_clients_write_them() {
    for (rest, name) in [
        (r#"name="a""#, "a"),
        ("name=a", "a"),
        ("NAME=a", "a"),
        (r#"name="a b;c=d""#, "a b;c=d"),
        ("name=\"\u{e9}\u{20ac}\"", "\u{e9}\u{20ac}"),
        ("name=\u{e9}", "\u{e9}"),
        (" name=a ;", "a"),
        ("; ;name=a;;", "a"),
        ("x=y; name=a; z=\"\"", "a"),
        // HTML, "multipart/form-data encoding algorithm"; no other escape is one.
        (r#"name="a%22b%0D%0Ac""#, "a\"b\r\nc"),
        (r#"name="a%22b%0d%0ac""#, "a\"b\r\nc"),
        (r#"name="100%25 %41 % %2 %%22""#, "100%25 %41 % %2 %\""),
        ("name=\"%\u{e9}\"", "%\u{e9}"),
        // Older curl, and Python.
        (r#"name="a\"b\\c""#, r#"a"b\c"#),
        (r#"name="a\b""#, r"a\b"),
        (r#"name="\\""#, r"\"),
    ] {
        assert_eq!(names(rest), Some((name.to_owned(), None)), "{rest}");
    }
}

#[test]
fn dispositions_that_are_refused() {
    for text in [
        "",
        "form-data",
        "form-data;",
        "attachment; name=a",
        "form-datax; name=a",
        "form-data name=a",
        "form-data; name",
        "form-data; name=",
        "form-data; =a",
        "form-data; name =a",
        "form-data; name= a",
        "form-data; name=\"",
        "form-data; name=\"a",
        "form-data; name=\"a\\\"",
        "form-data; name=\"a\"b",
        "form-data; name=a\"b\"",
        "form-data; name=\"a\" x=y",
        "form-data; name=\"\"",
        "form-data; filename=a",
        "form-data; name=a; name=a",
        "form-data; name=a; filename=b; filename=b",
        "form-data; name=a; filename*=utf-8''b; filename*=utf-8''b",
        // Only names of files come in this form.
        "form-data; name*=utf-8''a",
    ] {
        let refused = Disposition::parse(text);
        assert_eq!(refused, Err(MultipartErrorKind::Disposition), "{text}");
    }
}

#[test]
fn sixteen_parameters_and_one_more() {
    let with = |count: usize| {
        let others: String = (1..count).map(|number| format!("; x{number}=y")).collect();
        names(&format!("name=a{others}")).is_some()
    };
    assert!(with(15) && with(16) && !with(17));
}

#[test]
fn names_of_files() {
    for (rest, name) in [
        (r#"filename="a.txt""#, "a.txt"),
        ("filename=a.txt", "a.txt"),
        (r#"filename="""#, ""),
        (r#"filename="C:\dir\file.txt""#, r"C:\dir\file.txt"),
        (r#"filename="\\server\file""#, r"\server\file"),
        (r#"filename="a%22b.txt""#, "a\"b.txt"),
        ("filename=\"\u{65e5}\u{672c}\"", "\u{65e5}\u{672c}"),
    ] {
        assert_eq!(file_name(rest).as_deref(), Some(name), "{rest}");
    }
}

/// RFC 8187 (which replaced RFC 5987), and RFC 6266 4.3: it wins over the plain form.
#[test]
fn rfc_8187_extended_names() {
    for (rest, name) in [
        ("filename*=UTF-8''%e2%82%ac%20rates", "\u{20ac} rates"),
        ("filename*=utf-8'en'a%27b", "a'b"),
        ("filename*=utf-8''a'b", "a'b"),
        ("filename*=iso-8859-1'en'%A3%20rates", "\u{a3} rates"),
        ("filename*=utf-8''", ""),
        ("filename*=\"utf-8''quoted\"", "quoted"),
        ("filename=plain; filename*=utf-8''extended", "extended"),
        ("filename*=utf-8''extended; filename=plain", "extended"),
        // Escapes of browsers are not those of this form.
        ("filename*=utf-8''a%2522", "a%22"),
    ] {
        assert_eq!(file_name(rest).as_deref(), Some(name), "{rest}");
    }
    for rest in [
        "filename*=a",
        "filename*=utf-8'a",
        "filename*=utf-8''%",
        "filename*=utf-8''%2",
        "filename*=utf-8''%zz",
        "filename*=utf-8''%+1",
        "filename*=utf-8''%ff",
        "filename*=koi8-r''a",
        "filename*=''a",
    ] {
        let refused = Disposition::parse(&format!("form-data; name=a; {rest}"));
        assert_eq!(refused, Err(MultipartErrorKind::Disposition), "{rest}");
    }
}

/// RFC 2231 3 and 4.1: long values in sections, some of them encoded.
#[test]
fn rfc_2231_sections() {
    for (rest, name) in [
        ("filename*0=one; filename*1=two", "onetwo"),
        ("filename*1=two; filename*0=one", "onetwo"),
        (
            "filename*0*=utf-8''%e2%82; filename*1*=%ac; filename*2=%20x",
            "\u{20ac}%20x",
        ),
        (
            "filename*0*=iso-8859-1'en'%A3; filename*1=\"; x\"",
            "\u{a3}; x",
        ),
        ("filename=plain; filename*0=one", "one"),
    ] {
        assert_eq!(file_name(rest).as_deref(), Some(name), "{rest}");
    }
    for rest in [
        "filename*1=two",
        "filename*0=one; filename*2=three",
        "filename*0=one; filename*0=one",
        "filename*0=one; filename*1*=%20",
        "filename*0*=one",
        "filename*00=one",
        "filename*0=one; filename*01=two",
        "filename*x=one",
        "filename**=utf-8''one",
        "filename*0**=utf-8''one",
        "filename*100=one",
        "filename*+0=one",
        "filename*=utf-8''one; filename*0=one",
        "filename*0*=utf-8''%ff",
    ] {
        let refused = Disposition::parse(&format!("form-data; name=a; {rest}"));
        assert_eq!(refused, Err(MultipartErrorKind::Disposition), "{rest}");
    }
}

/// CVE-2025-67726: time that grew with the square of the quotes and semicolons. The length of a header keeps it
/// small here, so this goes beyond that.
#[test]
fn cve_2025_67726_parameters_in_one_pass() {
    for piece in [
        ";",
        "\"",
        ";\"",
        "\\\"",
        "x=\";",
        "=",
        "%22",
        "\\",
        "; a=\"\\\"",
        "''",
    ] {
        let many = piece.repeat((256 << 10) / piece.len());
        for text in [
            format!("form-data; {many}"),
            format!("form-data; name=\"{many}"),
            format!("form-data; name={many}"),
            format!("form-data; name=a; filename*=utf-8''{many}"),
        ] {
            let _ = Disposition::parse(&text);
        }
    }
}
