//! Against GNU gettext, Python's `gettext` and Tornado's `locale`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cyclone_web::locale::{Catalog, DateFormat, Locale, PluralRule, Translations};
use serde_json::{Value, json};

use crate::locale_support::{POLISH, SPANISH, folder, msgfmt, python};

/// Rules of the manual of GNU gettext, of Unicode and of catalogues in the wild, and some that are made up.
const RULES: &[&str] = &[
    "0",
    "n != 1",
    "n>1",
    "n%10==1 && n%100!=11 ? 0 : n != 0 ? 1 : 2",
    "n==1 ? 0 : n==2 ? 1 : 2",
    "n==1 ? 0 : (n==0 || (n%100 > 0 && n%100 < 20)) ? 1 : 2",
    "n%10==1 && n%100!=11 ? 0 : n%10>=2 && (n%100<10 || n%100>=20) ? 1 : 2",
    "n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2",
    "(n==1) ? 0 : (n>=2 && n<=4) ? 1 : 2",
    "n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2",
    "n%100==1 ? 0 : n%100==2 ? 1 : n%100==3 || n%100==4 ? 2 : 3",
    "n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5",
    "(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n==3 ? 3 : n==6 ? 4 : 5)",
    "n==1 || n==11 ? 0 : n==2 || n==12 ? 1 : n > 0 && n < 20 ? 2 : 3",
    "n%10==1 ? 0 : n%10==2 ? 1 : 2",
    "(n % 10 == 1 && n % 100 != 11 && n % 100 != 71 && n % 100 != 91) ? 0 : 1",
    "n!=1 && n!=2 && n!=3 && (n%10==4 || n%10==6 || n%10==9)",
    "n==1?0:n<7?1:n<11?2:3",
    "n/10*10==n ? 1 : n-n/7*7 ? 2 : 3",
    "n*3+1>20 == n%2",
    "n<3<2",
    "1<n<3<5",
    "n ? n-1 ? 2 : 1 : 0",
    "(n>3?n<9:n)+1",
];

const PLURALS: &str = r"
import gettext, sys
numbers = list(range(250)) + [999, 1000, 1001, 10**6, 10**6 + 1, 2**31 - 1, 2**31, 2**62]
for rule in sys.stdin:
    plural = gettext.c2py(rule.strip())
    print(' '.join(str(plural(n)) for n in numbers))
";

#[test]
fn plural_forms_are_pythons() {
    let numbers: Vec<i64> = (0..250)
        .chain([
            999,
            1_000,
            1_001,
            1_000_000,
            1_000_001,
            (1 << 31) - 1,
            1 << 31,
            1 << 62,
        ])
        .collect();
    let expected = python(PLURALS, &[], &RULES.join("\n"));
    assert_eq!(expected.len(), RULES.len());
    for (rule, expected) in RULES.iter().zip(expected) {
        let parsed: PluralRule = format!("nplurals=6; plural={rule};").parse().unwrap();
        let forms: Vec<String> = numbers
            .iter()
            .map(|n| parsed.form(*n).to_string())
            .collect();
        assert_eq!(forms.join(" "), expected, "{rule}");
    }
}

/// Prints where the catalogues of WTForms are, then all that Python finds in them.
const CATALOGS: &str = r"
import gettext, glob, json, os, wtforms
root = os.path.join(os.path.dirname(wtforms.__file__), 'locale')
for path in sorted(glob.glob(os.path.join(root, '*', 'LC_MESSAGES', 'wtforms.mo'))):
    with open(path, 'rb') as file:
        found = gettext.GNUTranslations(file)
    plain = sorted({key if isinstance(key, str) else key[0] for key in found._catalog if key})
    numbers = list(range(130)) + [1000, 1001, 1002]
    print(json.dumps([path, [[
        text, found.gettext(text), [found.ngettext(text, 'many', n) for n in numbers],
    ] for text in plain]]))
";

#[test]
fn real_catalogues_read_as_by_python_and_msgfmt() {
    let catalogs = python(CATALOGS, &[], "");
    assert!(catalogs.len() > 20, "{}", catalogs.len());
    let (mut messages, mut plurals) = (0, 0);
    for line in catalogs {
        let (path, texts): (PathBuf, Vec<(String, String, Vec<String>)>) =
            serde_json::from_str(&line).unwrap();
        let mo = Catalog::from_mo(&std::fs::read(&path).unwrap()).unwrap();
        let source = std::fs::read_to_string(path.with_extension("po")).unwrap();
        let po = Catalog::from_po(source.as_bytes()).unwrap();
        let compiled = Catalog::from_mo(&msgfmt(&source, &[]).unwrap()).unwrap();
        assert_eq!(po.len(), compiled.len(), "{}", path.display());
        for (text, translation, forms) in &texts {
            assert_eq!(mo.gettext(text), translation, "{}", path.display());
            for (n, form) in (0..130).chain([1_000, 1_001, 1_002]).zip(forms) {
                assert_eq!(mo.ngettext(text, "many", n), form, "{} {n}", path.display());
                assert_eq!(
                    po.ngettext(text, "many", n),
                    compiled.ngettext(text, "many", n)
                );
            }
            assert_eq!(po.gettext(text), compiled.gettext(text));
            messages += 1;
            plurals += usize::from(forms[0] != forms[1] || forms[2] != "many");
        }
    }
    assert!(messages > 500 && plurals > 20, "{messages} {plurals}");
}

/// Answers calls of Tornado's locales, one in a line, with a clock that is set.
const TORNADO: &str = r"
import datetime, json, sys
import tornado.locale as locale

real = datetime.datetime
class Clock(real):
    at = None
    @classmethod
    def now(cls, tz=None):
        return cls.at
locale.datetime.datetime = Clock

def moment(micros):
    return real(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(microseconds=micros)

kind, directory = sys.argv[1:]
if kind == 'csv':
    locale.load_translations(directory)
else:
    locale.load_gettext_translations(directory, 'site')
for line in sys.stdin:
    name, code, arguments = json.loads(line)
    found = locale.get(code)
    if name == 'date':
        date, now, gmt_offset, relative, shorter, full = arguments
        Clock.at = moment(now)
        answer = found.format_date(moment(date), gmt_offset, relative, shorter, full)
    elif name == 'day':
        answer = found.format_day(moment(arguments[0]), arguments[1], arguments[2])
    elif name == 'get':
        answer = [found.code, found.name, found.rtl]
    elif name == 'pgettext':
        answer = found.pgettext(*arguments)
    elif name == 'list':
        answer = found.list(arguments)
    else:
        answer = getattr(found, name)(*arguments)
    print(json.dumps(answer))
";

/// Compares what Tornado answers with what we do.
fn compare(kind: &str, directory: &std::path::Path, translations: &Translations, calls: &[Value]) {
    let input: Vec<String> = calls.iter().map(Value::to_string).collect();
    let kind = PathBuf::from(kind);
    let answers = python(TORNADO, &[&kind, directory], &input.join("\n"));
    assert_eq!(answers.len(), calls.len());
    for (call, answer) in calls.iter().zip(answers) {
        let expected: Value = serde_json::from_str(&answer).unwrap();
        let locale = translations.closest([call[1].as_str().unwrap()]);
        assert_eq!(ours(&locale, call), expected, "{call}");
    }
}

fn moment(micros: &Value) -> SystemTime {
    let micros = micros.as_i64().unwrap();
    let distance = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 {
        UNIX_EPOCH - distance
    } else {
        UNIX_EPOCH + distance
    }
}

fn ours(locale: &Locale, call: &Value) -> Value {
    let arguments = &call[2];
    let text = |at: usize| arguments[at].as_str().unwrap();
    let number = |at: usize| arguments[at].as_i64().unwrap();
    let flag = |at: usize| arguments[at].as_bool().unwrap();
    let offset = |at: usize| i32::try_from(number(at)).unwrap();
    let count = arguments.as_array().unwrap().len();
    match (call[0].as_str().unwrap(), count) {
        ("date", _) => {
            let format = DateFormat::new()
                .now(moment(&arguments[1]))
                .gmt_offset(offset(2))
                .relative(flag(3))
                .shorter(flag(4))
                .full_format(flag(5));
            json!(locale.format_date(moment(&arguments[0]), format))
        }
        ("day", _) => json!(locale.format_day(moment(&arguments[0]), offset(1), flag(2))),
        ("get", _) => json!([locale.code(), locale.name(), locale.is_rtl()]),
        ("list", _) => {
            let parts: Vec<String> = serde_json::from_value(arguments.clone()).unwrap();
            json!(locale.list(&parts))
        }
        ("friendly_number", _) => json!(locale.friendly_number(number(0))),
        ("translate", 1) => json!(locale.translate(text(0))),
        ("translate", _) => json!(locale.ngettext(text(0), text(1), number(2))),
        ("pgettext", 2) => json!(locale.pgettext(text(0), text(1))),
        ("pgettext", _) => json!(locale.npgettext(text(0), text(1), text(2), number(3))),
        (name, _) => panic!("{name}"),
    }
}

/// Dates around now at every distance that matters, and anywhere.
fn dates(random: &mut fastrand::Rng, codes: &[&str], calls: &mut Vec<Value>) {
    const SECOND: i64 = 1_000_000;
    const EDGES: [i64; 16] = [
        0, 1, 49, 50, 59, 60, 90, 150, 2_999, 3_000, 5_400, 86_399, 86_400, 172_800, 432_000,
        28_857_600,
    ];
    for _ in 0..3_000 {
        let now = random.i64(0..4_000_000_000 * SECOND);
        let distance = match random.u8(0..4) {
            0 => EDGES[random.usize(0..EDGES.len())] * SECOND + random.i64(-2..3) * SECOND / 2,
            1 => random.i64(0..90_000) * SECOND,
            2 => random.i64(0..SECOND * 600 * 86_400),
            _ => random.i64(-SECOND * 1_000..SECOND * 1_000),
        };
        let flags = [random.bool(), random.bool(), random.u8(0..4) == 0];
        let offset = random.i64(-840..840);
        let code = codes[random.usize(0..codes.len())];
        calls.push(json!([
            "date",
            code,
            [now - distance, now, offset, flags[0], flags[1], flags[2]]
        ]));
        let any = random.i64(-60_000_000_000 * SECOND..200_000_000_000 * SECOND);
        calls.push(json!(["day", code, [any, offset, flags[0]]]));
    }
}

fn words(code: &str, calls: &mut Vec<Value>) {
    calls.push(json!(["get", code, []]));
    for parts in [&[][..], &["A"], &["A", "B"], &["A", "B", "C %(last)s"]] {
        calls.push(json!(["list", code, parts]));
    }
    for number in [
        0,
        7,
        99,
        100,
        999,
        1_000,
        12_345,
        999_999,
        1_000_000,
        i64::MAX,
        -1_000,
        -12_345,
    ] {
        calls.push(json!(["friendly_number", code, [number]]));
    }
    for message in ["Hello", "one file", "nothing", "a, \"b\""] {
        calls.push(json!(["translate", code, [message]]));
        calls.push(json!(["pgettext", code, ["law", message]]));
    }
    for n in 0..130 {
        calls.push(json!(["translate", code, ["one file", "%(num)d files", n]]));
        calls.push(json!(["pgettext", code, ["stick", "club", "clubs", n]]));
        calls.push(json!([
            "pgettext",
            code,
            ["nowhere", "one file", "%(num)d files", n]
        ]));
        calls.push(json!([
            "pgettext",
            code,
            ["nowhere", "no club", "no clubs", n]
        ]));
    }
}

#[test]
fn dates_lists_and_numbers_are_tornados_with_gettext() {
    let formats = r#"
msgid "1 minute ago"
msgid_plural "%(minutes)d minutes ago"
msgstr[0] "minutę temu"
msgstr[1] "%(minutes)d minuty temu"
msgstr[2] "%(minutes)d minut temu"

msgid "%(month_name)s %(day)s, %(year)s at %(time)s"
msgstr "%(day)s %(month_name)s %(year)s, %(time)s (100%%)"

msgid "%(commas)s and %(last)s"
msgstr "%(commas)s i %(last)s"

msgid "January"
msgstr "styczeń"

msgid "Monday"
msgstr "poniedziałek"
"#;
    let polish = format!("{POLISH}{formats}");
    let (_folder, path) = folder(&[
        ("pl", &polish),
        ("es", SPANISH),
        ("fa_IR", SPANISH),
        ("zh_CN", SPANISH),
    ]);
    for code in ["pl", "es", "fa_IR", "zh_CN"] {
        let file = path.join(code).join("LC_MESSAGES/site.mo");
        let source = std::fs::read_to_string(file.with_extension("po")).unwrap();
        std::fs::write(&file, msgfmt(&source, &[]).unwrap()).unwrap();
    }
    let translations = Translations::from_gettext(&path, "site").unwrap();
    let codes = ["pl", "es-mx", "fa-IR", "zh_CN", "en_US", "de", "pl-PL-x"];
    let mut calls = Vec::new();
    for code in codes.iter().take(6) {
        words(code, &mut calls);
    }
    dates(&mut fastrand::Rng::with_seed(5), &codes[..6], &mut calls);
    compare("gettext", &path, &translations, &calls);
}

#[test]
fn dates_and_messages_are_tornados_with_csv() {
    let folder = tempfile::tempdir().unwrap();
    let french = "Hello,Bonjour\n\"a, \"\"b\"\"\", \"c\nd\" ,\none file,un fichier,singular\n\
        %(num)d files,%(num)d fichiers,plural\n1 minute ago,il y a une minute,singular\n\
        %(minutes)d minutes ago,il y a %(minutes)d minutes,plural\nMonday,lundi\n";
    std::fs::write(folder.path().join("fr.csv"), french).unwrap();
    std::fs::write(folder.path().join("fa.csv"), "\u{feff}Hello,\u{633}\n").unwrap();
    let translations = Translations::from_csv(folder.path()).unwrap();
    let mut calls = Vec::new();
    for code in ["fr", "fa", "en_US"] {
        words(code, &mut calls);
    }
    dates(
        &mut fastrand::Rng::with_seed(6),
        &["fr", "fa", "en_US"],
        &mut calls,
    );
    compare("csv", folder.path(), &translations, &calls);
}
