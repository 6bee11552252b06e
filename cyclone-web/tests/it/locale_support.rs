//! Catalogues, and the foreign programs that know them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cyclone_web::locale::Catalog;
use tempfile::TempDir;

/// A language with three plural forms.
pub(crate) const POLISH: &str = r#"
msgid ""
msgstr ""
"Language: pl\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);\n"

msgid "Hello"
msgstr "Cześć"

msgid "one file"
msgid_plural "%(num)d files"
msgstr[0] "jeden plik"
msgstr[1] "%(num)d pliki"
msgstr[2] "%(num)d plików"

msgctxt "law"
msgid "right"
msgstr "prawo"

msgctxt "stick"
msgid "club"
msgid_plural "clubs"
msgstr[0] "kij"
msgstr[1] "kije"
msgstr[2] "kijów"
"#;

pub(crate) const SPANISH: &str = r#"
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n != 1;\n"

msgid "Hello"
msgstr "Hola"

msgid "one file"
msgid_plural "%(num)d files"
msgstr[0] "un archivo"
msgstr[1] "%(num)d archivos"
"#;

pub(crate) fn polish() -> Catalog {
    Catalog::from_po(POLISH.as_bytes()).unwrap()
}

/// A foreign program that `cargo xtask test` provides, by its variable; a test without it fails.
pub(crate) fn foreign(variable: &str) -> Command {
    let program = std::env::var_os(variable);
    let program =
        program.unwrap_or_else(|| panic!("{variable} is not set; run `cargo xtask test`"));
    Command::new(program)
}

/// Compiles with GNU gettext; `Err` is what it says.
pub(crate) fn msgfmt(po: &str, options: &[&str]) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("a.po"), folder.path().join("a.mo"));
    fs::write(&source, po).unwrap();
    let mut command = foreign("CYCLONE_TEST_MSGFMT");
    let output = command
        .args(options)
        .arg("-o")
        .arg(&target)
        .arg(&source)
        .output()
        .unwrap();
    if output.status.success() {
        Ok(fs::read(target).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Runs a program of Python's with an input, and gives its lines.
pub(crate) fn python(program: &str, arguments: &[&Path], input: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input");
    fs::write(&file, input).unwrap();
    let mut command = foreign("CYCLONE_TEST_PYTHON");
    command
        .arg("-c")
        .arg(program)
        .args(arguments)
        .env("PYTHONIOENCODING", "utf-8");
    let output = command
        .stdin(fs::File::open(file).unwrap())
        .stderr(Stdio::inherit());
    let output = output.output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// A folder as gettext wants it, of `.po` files.
pub(crate) fn folder(catalogs: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (code, po) in catalogs {
        let messages = folder.path().join(code).join("LC_MESSAGES");
        fs::create_dir_all(&messages).unwrap();
        fs::write(messages.join("site.po"), po).unwrap();
    }
    let path = folder.path().to_owned();
    (folder, path)
}
