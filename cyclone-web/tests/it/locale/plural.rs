//! Plural rules.

use cyclone_web::locale::{MAX_PLURAL_DEPTH, MAX_PLURAL_FORMS, MAX_PLURAL_RULE, PluralRule};

fn rule(expression: &str) -> PluralRule {
    let field = format!("nplurals=6; plural={expression};");
    field
        .parse()
        .unwrap_or_else(|error| panic!("{expression}: {error}"))
}

fn refused(field: &str) -> String {
    field.parse::<PluralRule>().unwrap_err().to_string()
}

#[test]
fn operators_bind_as_in_c() {
    for (expression, n, expected) in [
        ("n", 3, 3),
        ("1 + 2 * 2", 0, 5),
        ("(1 + 1) * 2", 0, 4),
        ("7 - 3 - 2", 0, 2),
        ("20 / 5 / 2", 0, 2),
        ("7 % 4 % 2", 0, 1),
        ("1 || 0 && 0", 0, 1),
        ("2 == 2 != 0", 0, 1),
        ("1 < 2 == 1", 0, 1),
        // Chained comparisons are from the left, as in C: (3 > 2) > 1.
        ("3 > 2 > 1", 0, 0),
        ("3 >= 3", 0, 1),
        ("2 <= 1", 0, 0),
        // `!` binds closest: (!n) == 0.
        ("!n == 0", 5, 1),
        ("!n", 0, 1),
        ("!!n", 5, 1),
        ("!!!n", 5, 0),
        ("n ? 2 : 3", 1, 2),
        ("n ? 2 : 3", 0, 3),
        ("n==0 ? 0 : n==1 ? 1 : 2", 7, 2),
        ("n>5 ? n>7 ? 4 : 3 : 2", 6, 3),
        ("n  \t ==1?1:0", 1, 1),
        // What does not matter is not worked out.
        ("n != 0 && 6 / n > 2", 0, 0),
        ("n == 0 || 6 % n", 0, 1),
        // Downwards, as in Python.
        ("n % 4", -1, 3),
        ("(n / 2) == (0 - 1)", -1, 1),
    ] {
        assert_eq!(rule(expression).form(n), expected, "{expression} for {n}");
    }
}

#[test]
fn what_cannot_be_worked_out_is_the_first_form() {
    assert_eq!(rule("6 / n").form(0), 0);
    assert_eq!(rule("6 % n").form(0), 0);
    assert_eq!(rule("n").form(5), 5);
    assert_eq!(rule("n").form(6), 0);
    assert_eq!(rule("n").form(-1), 0);
    let power = "n*n*n*n";
    assert_eq!(rule(power).form(i64::MAX), 0);
    assert_eq!(PluralRule::germanic().form(1), 0);
    assert_eq!(PluralRule::germanic().form(0), 1);
}

#[test]
fn malformed_rules_are_refused() {
    for expression in [
        "",
        "()",
        "n n",
        "n +",
        "+ n",
        "-1",
        "n = 1",
        "n & 1",
        "n | 1",
        "m",
        "n1",
        "1n",
        "n ? 1",
        "n ? : 2",
        "n : 1",
        "(n",
        "n)",
        "n == ",
        "!",
        "n ? 1 : 2 : 3",
        "99999999999999999999",
        "n\0",
        "\u{e9}",
        "n[0]",
    ] {
        let field = format!("nplurals=2; plural={expression}");
        assert!(field.parse::<PluralRule>().is_err(), "{expression:?}");
    }
    assert!(refused("plural=n").contains("nplurals="));
    assert!(refused("nplurals=2").contains("plural="));
    assert!(refused("nplurals=0; plural=0").contains("number of forms"));
    assert!(refused("nplurals=x; plural=0").contains('x'));
}

#[test]
fn forms_at_the_limit() {
    for (forms, accepted) in [
        (MAX_PLURAL_FORMS - 1, true),
        (MAX_PLURAL_FORMS, true),
        (MAX_PLURAL_FORMS + 1, false),
    ] {
        let field = format!("nplurals={forms}; plural=n");
        assert_eq!(field.parse::<PluralRule>().is_ok(), accepted, "{forms}");
    }
}

#[test]
fn length_and_depth_at_the_limit() {
    for (length, accepted) in [
        (MAX_PLURAL_RULE - 1, true),
        (MAX_PLURAL_RULE, true),
        (MAX_PLURAL_RULE + 1, false),
    ] {
        let field = format!("{:<length$}", "nplurals=2; plural=n;");
        assert_eq!(field.parse::<PluralRule>().is_ok(), accepted, "{length}");
    }
    for (depth, accepted) in [
        (MAX_PLURAL_DEPTH - 1, true),
        (MAX_PLURAL_DEPTH, true),
        (MAX_PLURAL_DEPTH + 1, false),
    ] {
        let parentheses = format!(
            "nplurals=2; plural={}n{}",
            "(".repeat(depth),
            ")".repeat(depth)
        );
        assert_eq!(
            parentheses.parse::<PluralRule>().is_ok(),
            accepted,
            "{depth}"
        );
        let choices = format!("nplurals=2; plural={}0", "n?1:".repeat(depth));
        assert_eq!(choices.parse::<PluralRule>().is_ok(), accepted, "{depth}");
    }
    // As long as may be, of what nests in other ways.
    for part in ["!", "n+", "n<", "n||"] {
        let fill = part.repeat((MAX_PLURAL_RULE - 30) / part.len());
        let rule: PluralRule = format!("nplurals=2; plural={fill}n").parse().unwrap();
        assert!(rule.form(3) < 2);
    }
}
