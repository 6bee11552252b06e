//! Readers of `.mo`, `.po` and `.csv`.

use cyclone_web::locale::{Catalog, MAX_CATALOG, interpolate};

use crate::locale_support::{POLISH, msgfmt, polish};

fn check(catalog: &Catalog) {
    assert_eq!(catalog.gettext("Hello"), "Cześć");
    assert_eq!(catalog.gettext("Bye"), "Bye");
    let files = |n| catalog.ngettext("one file", "%(num)d files", n);
    for (n, expected) in [
        (1, "jeden plik"),
        (2, "%(num)d pliki"),
        (5, "%(num)d plików"),
        (12, "%(num)d plików"),
        (22, "%(num)d pliki"),
        (0, "%(num)d plików"),
    ] {
        assert_eq!(files(n), expected, "{n}");
    }
    // The form for one, when no number is given.
    assert_eq!(catalog.gettext("one file"), "jeden plik");
    assert_eq!(catalog.ngettext("a", "b", 1), "a");
    assert_eq!(catalog.ngettext("a", "b", 2), "b");
    // What was translated without a plural has none.
    assert_eq!(catalog.ngettext("Hello", "Hellos", 2), "Hellos");
    assert_eq!(catalog.pgettext("law", "right"), "prawo");
    assert_eq!(catalog.pgettext("side", "right"), "right");
    assert_eq!(catalog.gettext("right"), "right");
    assert_eq!(catalog.npgettext("stick", "club", "clubs", 3), "kije");
    // Without the context, it is the one that has none.
    assert_eq!(
        catalog.npgettext("x", "one file", "%(num)d files", 5),
        "%(num)d plików"
    );
    assert_eq!(catalog.gettext(""), "");
    assert_eq!(catalog.plural_rule().forms(), 3);
    assert_eq!(catalog.len(), 4);
}

#[test]
fn the_same_from_po_and_from_both_byte_orders() {
    check(&polish());
    for options in [
        &["--endianness=little"][..],
        &["--endianness=big"],
        &["--no-hash"],
    ] {
        check(&Catalog::from_mo(&msgfmt(POLISH, options).unwrap()).unwrap());
    }
    let windows = format!("\u{feff}{}", POLISH.replace('\n', "\r\n"));
    check(&Catalog::from_po(windows.as_bytes()).unwrap());
}

#[test]
fn mo_cut_anywhere_or_with_any_bit_flipped_does_no_harm() {
    let mo = msgfmt(POLISH, &["--endianness=little"]).unwrap();
    for length in 0..mo.len() {
        let cut = Catalog::from_mo(&mo[..length]);
        // The hash table and the last byte, a zero, are not looked at.
        assert!(cut.is_err() || length == mo.len() - 1, "{length}");
    }
    for at in 0..mo.len() {
        for bit in 0..8 {
            let mut damaged = mo.clone();
            damaged[at] ^= 1 << bit;
            if let Ok(catalog) = Catalog::from_mo(&damaged) {
                let _ = catalog.ngettext("one file", "many", 5);
            }
        }
    }
}

#[test]
fn mo_cannot_claim_more_than_it_has() {
    let words = |words: &[u32]| {
        words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let magic = 0x9504_12de;
    let refused = |bytes: &[u8]| Catalog::from_mo(bytes).unwrap_err().to_string();
    assert!(refused(b"").contains("no catalogue"));
    assert!(refused(b"GNU gettext, it is not").contains("no catalogue"));
    assert!(refused(&words(&[magic, 2 << 16, 0, 28, 28])).contains("version"));
    for count in [2, u32::MAX, 1 << 29] {
        assert!(refused(&words(&[magic, 0, count, 20, 28, 0, 0])).contains("damaged"));
    }
    for (length, start) in [(1, u32::MAX), (u32::MAX, 1), (u32::MAX, u32::MAX), (29, 8)] {
        assert!(refused(&words(&[magic, 0, 1, 20, 28, 0, 0, length, start])).contains("damaged"));
    }
    // Entries that all show the same bytes would become larger than the file by its square.
    let count = 1_000_u32;
    let mut bomb = words(&[magic, 0, count, 20, 20]);
    for _ in 0..count {
        bomb.extend(words(&[8_000, 20]));
    }
    assert!(refused(&bomb).contains("damaged"));
}

#[test]
fn catalogues_at_the_limit_of_their_size() {
    for (size, accepted) in [
        (MAX_CATALOG - 1, true),
        (MAX_CATALOG, true),
        (MAX_CATALOG + 1, false),
    ] {
        let mut po = b"msgid \"a\"\nmsgstr \"b\"\n# ".to_vec();
        po.resize(size, b'x');
        assert_eq!(Catalog::from_po(&po).is_ok(), accepted, "{size}");
        assert_eq!(Catalog::from_csv(&po).is_ok(), accepted, "{size}");
    }
}

#[test]
fn po_as_msgfmt_compiles_it() {
    let po = r#"
# A comment, then a header over lines.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=n>1;\n"

#, fuzzy, python-format
msgid "fuzzy %(a)s"
msgstr "not this"

#. for translators
#: a.rs:1
#, python-format
#| msgid "old"
msgid "es" "capes "
"\"\\\n\t\a\b\f\v\r\101\x42"
msgstr "done"
msgid "untranslated"
msgstr ""
#~ msgid "obsolete"
#~ msgstr "not this"

msgctxt ""
msgid "empty context"
msgstr "is one"

msgid "p"
msgid_plural "ps"
msgstr[0] "eins"
msgstr[1] "viele"
"#;
    let of_msgfmt = Catalog::from_mo(&msgfmt(po, &[]).unwrap()).unwrap();
    for catalog in [Catalog::from_po(po.as_bytes()).unwrap(), of_msgfmt] {
        let escapes = "escapes \"\\\n\t\u{7}\u{8}\u{c}\u{b}\rAB";
        assert_eq!(catalog.gettext(escapes), "done");
        assert_eq!(catalog.gettext("fuzzy %(a)s"), "fuzzy %(a)s");
        assert_eq!(catalog.gettext("untranslated"), "untranslated");
        assert_eq!(catalog.gettext("obsolete"), "obsolete");
        assert_eq!(catalog.pgettext("", "empty context"), "is one");
        assert_eq!(catalog.ngettext("p", "ps", 0), "eins");
        assert_eq!(catalog.len(), 3);
    }
}

#[test]
fn po_names_the_line_of_a_mistake() {
    for (po, line) in [
        ("msgid \"a\"\nmsgstr b", 2),
        ("msgid \"a\"\n\nmsgstr \"b", 3),
        ("msgid \"a\"\nmsgid \"b\"", 2),
        ("msgstr \"a\"", 1),
        ("\"a\"", 1),
        ("msgid \"a\"", 1),
        ("msgid \"a\"\nmsgstr \"\\q\"", 2),
        ("msgid \"a\"\nmsgstr \"\\x\"", 2),
        ("msgid \"a\"\nmsgstr \"\\777\"", 2),
        ("msgid \"a\"\nmsgstr \"\\\"", 2),
        ("msgid \"a\"\nmsgid_plural \"b\"\nmsgstr \"c\"", 3),
        ("msgid \"a\"\nmsgid_plural \"b\"\nmsgstr[1] \"c\"", 3),
        ("msgid \"a\"\nmsgstr[0] \"c\"", 2),
        ("msgid \"a\"\nmsgstr \"b\"\nmsgid \"a\"\nmsgstr \"c\"", 3),
        (
            "msgid \"\"\nmsgstr \"Plural-Forms: nplurals=2; plural=(n\\n\"",
            1,
        ),
        (
            "msgid \"\"\nmsgstr \"Content-Type: text/plain; charset=KOI8-R\\n\"",
            1,
        ),
        ("domain \"x\"", 1),
        ("msgid \"a\"\nmsgstr \"b\" c", 2),
    ] {
        let error = Catalog::from_po(po.as_bytes()).unwrap_err();
        assert_eq!(error.line(), Some(line), "{po}: {error}");
        assert!(
            msgfmt(po, &["--check-header"]).is_err() || po.contains("charset"),
            "{po}"
        );
    }
    let error = Catalog::from_po(b"msgid \"\xff\"\nmsgstr \"b\"").unwrap_err();
    assert!(error.to_string().contains("character set"), "{error}");
}

#[test]
fn latin_1_is_read() {
    let po = b"msgid \"\"\nmsgstr \"Content-Type: text/plain; charset=ISO-8859-1\\n\"\n\nmsgid \"a\"\nmsgstr \"\xe9\"\n";
    assert_eq!(Catalog::from_po(po).unwrap().gettext("a"), "é");
}

#[test]
fn csv_of_tornado() {
    let csv = "\"I love you\",\"Te amo\"\n\
        \"%(name)s liked this\",\"A %(name)s les gustó esto\",\"plural\"\r\n\
        \"%(name)s liked this\",\"A %(name)s le gustó esto\",\"singular\"\n\
        one cell\n\n\
        \"with \"\"quotes\"\", and\na line\", x ,unknown\n\
        b\"are,y\"\n\
        last,one,";
    let check = |catalog: &Catalog| {
        assert_eq!(catalog.gettext("I love you"), "Te amo");
        let liked = |n| catalog.ngettext("%(name)s liked this", "%(name)s liked this", n);
        assert_eq!(liked(1), "A %(name)s le gustó esto");
        assert_eq!(liked(2), "A %(name)s les gustó esto");
        // Each of the three is a table of its own.
        assert_eq!(
            catalog.gettext("%(name)s liked this"),
            "%(name)s liked this"
        );
        assert_eq!(catalog.ngettext("I love you", "us", 1), "I love you");
        assert_eq!(catalog.pgettext("any", "I love you"), "Te amo");
        assert_eq!(catalog.gettext("with \"quotes\", and\na line"), "x");
        assert_eq!(catalog.gettext("b\"are"), "y\"");
        assert_eq!(catalog.gettext("last"), "one");
        assert_eq!(catalog.len(), 6);
    };
    check(&Catalog::from_csv(csv.as_bytes()).unwrap());
    check(&Catalog::from_csv(format!("\u{feff}{csv}").as_bytes()).unwrap());
    let words: Vec<u16> = csv.encode_utf16().collect();
    let little: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    check(&Catalog::from_csv(&[&[0xff, 0xfe], &little[..]].concat()).unwrap());
    let big: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    check(&Catalog::from_csv(&[&[0xfe, 0xff], &big[..]].concat()).unwrap());

    let error = Catalog::from_csv(b"a,b\nc,\"d\ne\",dual\n").unwrap_err();
    assert_eq!(error.line(), Some(3), "{error}");
    for bytes in [&b"a,\xff"[..], b"\xff\xfea", b"\xfe\xff\xd8\x00"] {
        assert!(Catalog::from_csv(bytes).is_err());
    }
}

#[test]
fn placeholders() {
    let values: &[(&str, &dyn std::fmt::Display)] = &[("a", &"<x>"), ("n", &3)];
    for (message, expected) in [
        ("%(a)s and %(n)d", "<x> and 3"),
        ("100%% of %(n)i", "100% of 3"),
        ("%(b)s %(a)f %(a %s % 5%", "%(b)s %(a)f %(a %s % 5%"),
        ("%%(a)s", "%(a)s"),
        ("plain", "plain"),
    ] {
        assert_eq!(interpolate(message, values), expected);
    }
}
