//! Catalogues, plural rules, languages, and the messages of sources.

use cyclone_web::locale::{Catalog, Extractor, PluralRule, accepted_languages};

/// The first line is a rule, the others are numbers: it chooses a form that there is.
pub(crate) fn plural_rule(data: &[u8]) {
    let mut texts = crate::texts(data);
    let Ok(rule) = texts.next().unwrap_or_default().parse::<PluralRule>() else {
        return;
    };
    let numbers = texts.filter_map(|number| number.parse().ok());
    for n in numbers.chain([0, 1, 2, i64::MIN, i64::MAX]) {
        assert!(rule.form(n) < rule.forms());
    }
}

/// Looks up what is surely not there, and every way there is.
fn look_up(catalog: &Catalog) {
    assert_eq!(catalog.gettext("\u{1}"), "\u{1}");
    for n in [0, 1, 5] {
        let _ = catalog.ngettext("a", "b", n);
        let _ = catalog.npgettext("c", "a", "b", n);
    }
    let _ = (catalog.pgettext("c", "a"), catalog.len());
}

/// What `msgfmt` writes, or not.
pub(crate) fn catalog_mo(data: &[u8]) {
    if let Ok(catalog) = Catalog::from_mo(data) {
        look_up(&catalog);
    }
}

/// What translators write, or not.
pub(crate) fn catalog_po(data: &[u8]) {
    if let Ok(catalog) = Catalog::from_po(data) {
        look_up(&catalog);
    }
}

/// Tables of translations.
pub(crate) fn catalog_csv(data: &[u8]) {
    if let Ok(catalog) = Catalog::from_csv(data) {
        look_up(&catalog);
    }
}

/// Languages are parts of the field.
pub(crate) fn languages(data: &[u8]) {
    if let Ok(field) = std::str::from_utf8(data) {
        for language in accepted_languages(field) {
            assert!(!language.is_empty() && language != "*" && field.contains(language));
        }
    }
}

/// The messages of a source, as Rust and as a template, make a catalogue that is read.
pub(crate) fn messages(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else {
        return;
    };
    let mut extractor = Extractor::new();
    let _ = extractor.rust("a.rs", source);
    let _ = extractor.template("a.html", source);
    let pot = extractor.to_pot();
    let filled = pot.replace("\nmsgstr \"\"\n\n", "\nmsgstr \"x\"\n\n");
    let catalog = Catalog::from_po(pot.as_bytes()).expect("a template of a catalogue");
    assert!(catalog.is_empty());
    let _ = Catalog::from_po(filled.as_bytes());
}
