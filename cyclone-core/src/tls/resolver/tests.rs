use super::normal;

#[test]
fn names_are_compared_in_one_form() {
    for (name, form) in [
        ("example.org", "example.org"),
        ("EXAMPLE.org", "example.org"),
        ("example.org.", "example.org"),
        ("*.Example.org", "*.example.org"),
        ("localhost", "localhost"),
        ("xn--ksekuchen-x2a.example", "xn--ksekuchen-x2a.example"),
        ("under_score.example", "under_score.example"),
    ] {
        assert_eq!(normal(name).as_deref(), Some(form));
    }
    let long = format!("{}.example", "x".repeat(64));
    for name in [
        "", ".", "*", "*.", "a..b", "*.*.org", "f*.org", "käse.de", "10.0.0.1", "::1", &long,
    ] {
        assert_eq!(normal(name), None, "{name}");
    }
}
