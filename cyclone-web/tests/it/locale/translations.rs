//! Sets of catalogues: what is found, what is closest, reloading.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use cyclone_web::locale::{MAX_LANGUAGES, Translations, accepted_languages};

use crate::locale_support::{POLISH, SPANISH, folder, msgfmt};

#[test]
fn folders_of_gettext() {
    let (_folder, path) = folder(&[("pl", POLISH), ("es", SPANISH)]);
    fs::create_dir(path.join("fr")).unwrap();
    fs::write(path.join("README"), "no language").unwrap();
    let translations = Translations::from_gettext(&path, "site").unwrap();
    assert_eq!(translations.supported(), ["en_US", "es", "pl"]);
    let polish = translations.get("PL").unwrap();
    assert_eq!((polish.code(), polish.translate("Hello")), ("pl", "Cześć"));
    // Compiled wins.
    let other = POLISH.replace("Cześć", "Witaj");
    fs::write(
        path.join("pl/LC_MESSAGES/site.mo"),
        msgfmt(&other, &[]).unwrap(),
    )
    .unwrap();
    translations.reload().unwrap();
    assert_eq!(translations.get("pl").unwrap().translate("Hello"), "Witaj");
    assert_eq!(polish.translate("Hello"), "Cześć");
    assert!(
        Translations::from_gettext(&path, "other")
            .unwrap()
            .get("pl")
            .is_none()
    );
    for domain in ["", "../x", "a\0"] {
        assert!(
            Translations::from_gettext(&path, domain).is_err(),
            "{domain:?}"
        );
    }
    let missing = Translations::from_gettext(path.join("none"), "site").unwrap_err();
    assert!(
        missing.to_string().contains("none: cannot open"),
        "{missing}"
    );
}

#[test]
fn folders_of_tables() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pt_BR.csv"), "Hello,Olá\n").unwrap();
    fs::write(folder.path().join("notes.txt"), "x").unwrap();
    let translations = Translations::from_csv(folder.path()).unwrap();
    assert_eq!(translations.closest(["pt"]).code(), "en_US");
    let brazil = translations.closest(["pt-br"]);
    assert_eq!((brazil.code(), brazil.translate("Hello")), ("pt_BR", "Olá"));
    assert_eq!(
        (brazil.name(), brazil.language_tag().as_str()),
        ("Português (Brasil)", "pt-BR")
    );
    fs::write(folder.path().join("12.csv"), "a,b\n").unwrap();
    let error = translations.reload().unwrap_err();
    assert!(error.path().unwrap().ends_with("12.csv"), "{error}");
}

#[test]
fn a_broken_file_is_an_error_and_what_was_there_stays() {
    let (_folder, path) = folder(&[("pl", POLISH)]);
    let translations = Translations::from_gettext(&path, "site").unwrap();
    let file = path.join("pl/LC_MESSAGES/site.po");
    fs::write(&file, "msgid \"a\"\nmsgstr").unwrap();
    let error = translations.clone().reload().unwrap_err();
    assert_eq!(
        (error.path(), error.line()),
        (Some(&*fs::canonicalize(&file).unwrap()), Some(2))
    );
    assert!(error.to_string().contains("site.po:2: a string"), "{error}");
    assert_eq!(translations.closest(["pl"]).translate("Hello"), "Cześć");
    assert!(Translations::from_gettext(&path, "site").is_err());
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(
        translations
            .reload()
            .unwrap_err()
            .to_string()
            .contains("regular file")
    );
}

fn write(path: &Path, text: &str, seconds: u64) {
    fs::write(path, text).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .unwrap();
}

#[test]
fn changed_files_are_noticed() {
    let (_folder, path) = folder(&[]);
    let translations = Translations::from_gettext(&path, "site")
        .unwrap()
        .default_locale("en");
    assert!(!translations.reload_changed().unwrap());
    fs::create_dir_all(path.join("es/LC_MESSAGES")).unwrap();
    let file = path.join("es/LC_MESSAGES/site.po");
    write(&file, SPANISH, 1_000_000);
    let clone = translations.clone();
    assert!(translations.reload_changed().unwrap() && !translations.reload_changed().unwrap());
    assert_eq!(clone.closest(["es"]).translate("Hello"), "Hola");
    // Same size, other time.
    write(&file, &SPANISH.replace("Hola", "Aloh"), 1_000_001);
    assert!(translations.reload_changed().unwrap());
    assert_eq!(clone.closest(["es"]).translate("Hello"), "Aloh");
    fs::remove_file(&file).unwrap();
    assert!(translations.reload_changed().unwrap());
    assert_eq!(clone.supported(), ["en"]);
}

#[test]
fn the_default_may_have_a_catalogue_of_its_own() {
    let (_folder, path) = folder(&[("es", SPANISH)]);
    let translations = Translations::from_gettext(&path, "site").unwrap();
    let spanish = translations.clone().default_locale("es");
    assert_eq!(spanish.closest(["de"]).translate("Hello"), "Hola");
    assert_eq!(spanish.supported(), ["es"]);
    assert_eq!(translations.closest(["de"]).translate("Hello"), "Hello");
    assert_eq!(translations.closest(["es-419", "de"]).code(), "es");
    assert_eq!(translations.closest(["de", "en-us", "es"]).code(), "en_US");
    assert_eq!(translations.closest([""; 0]).code(), "en_US");
}

#[test]
fn languages_by_weight() {
    for (field, expected) in [
        ("en-US,en;q=0.5", &["en-US", "en"][..]),
        ("a;q=0.1, b, c;q=0.2,d", &["b", "d", "c", "a"]),
        ("a;Q=0.5;x=1, b ; q=0.6", &["b", "a"]),
        ("a;q=0, b;q=x, c;q=-1, d;q=1.5, e;q=0.0001, f;q=", &[]),
        ("*, , ;q=1, fr;q=1.000", &["fr"]),
        ("", &[]),
    ] {
        assert_eq!(accepted_languages(field), expected, "{field}");
    }
    for (count, kept) in [
        (MAX_LANGUAGES - 1, MAX_LANGUAGES - 1),
        (MAX_LANGUAGES, MAX_LANGUAGES),
        (MAX_LANGUAGES + 1, MAX_LANGUAGES),
    ] {
        assert_eq!(accepted_languages(&vec!["a"; count].join(",")).len(), kept);
    }
}
