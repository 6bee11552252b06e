//! Tornado itself makes and judges values and tokens.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cyclone_web::{Application, CookieSecrets, RequestContext, Result, Xsrf, XsrfVersion};
use http::StatusCode;
use serde_json::{Value, json};

use super::with_headers;
use crate::support::{call, get, post, text};

mod side_by_side;

/// Values and tokens each way.
const COUNT: usize = 10_000;

const SECRET: &str = "a secret of both servers, of 32 or so bytes";

/// The time of these tests, and how old a value may be in them, in days.
const NOW: u64 = 1_800_000_000;
const MAX_AGE: u64 = 5;
const DAY: u64 = 24 * 60 * 60;

/// Python with Tornado; `cargo xtask test` provides it.
fn python() -> Command {
    let python = std::env::var_os("CYCLONE_TEST_PYTHON")
        .unwrap_or_else(|| panic!("CYCLONE_TEST_PYTHON is not set; run `cargo xtask test`"));
    let mut command = Command::new(python);
    command
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/it/security/tornado_peer.py"
        ))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// Tornado, asked line by line.
struct Tornado {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Tornado {
    fn start() -> Self {
        // What it makes of what is wrong is a line in its log each.
        let mut child = python().stderr(Stdio::null()).spawn().unwrap();
        Self {
            questions: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn ask(&mut self, question: &Value) -> Vec<Value> {
        let mut line = question.to_string();
        line.push('\n');
        self.questions.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).expect("Tornado failed");
        answer.as_array().unwrap().clone()
    }
}

impl Drop for Tornado {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A name, a value, and when it is signed, at most 9 days ago.
struct Row {
    name: String,
    value: Vec<u8>,
    time: u64,
}

fn rows(random: &mut fastrand::Rng) -> Vec<Row> {
    let row = |random: &mut fastrand::Rng| {
        let letters = random.usize(1..20);
        let letter = |random: &mut fastrand::Rng| match random.u8(0..20) {
            0 => '-',
            1 => '.',
            2..6 => random.digit(10),
            _ => random.alphanumeric(),
        };
        let bytes = random.usize(0..60);
        Row {
            name: (0..letters).map(|_| letter(random)).collect(),
            value: (0..bytes).map(|_| random.u8(..)).collect(),
            time: NOW - random.u64(0..9 * DAY),
        }
    };
    (0..COUNT).map(|_| row(random)).collect()
}

fn random() -> fastrand::Rng {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::Rng::with_seed(seed)
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Changes, adds or takes away a character.
fn tamper(random: &mut fastrand::Rng, text: &str) -> String {
    loop {
        let mut tampered = text.to_owned();
        let at = random.usize(0..text.len());
        let other = if random.bool() {
            random.alphanumeric()
        } else {
            *random.choice(&['|', ':', '=', '0', ' ']).unwrap()
        };
        match random.u8(0..3) {
            0 => tampered.replace_range(at..=at, ""),
            1 => tampered.insert(at, other),
            _ => tampered.replace_range(at..=at, &other.to_string()),
        }
        if tampered != text {
            return tampered;
        }
    }
}

/// What one side has for keys, as we and as Tornado are told.
struct Keys {
    ours: CookieSecrets,
    theirs: Value,
    key_version: Option<u32>,
    version: u8,
}

fn keys() -> Vec<Keys> {
    let one = || CookieSecrets::new(SECRET).unwrap();
    let versions = json!({"0": "the first secret", "3": SECRET, "12": "the third secret"});
    let several = |key_version| {
        let list = versions.as_object().unwrap().iter();
        let list = list.map(|(version, text)| (version.parse().unwrap(), text.as_str().unwrap()));
        CookieSecrets::with_versions(list, key_version).unwrap()
    };
    let keys = |ours, theirs, key_version, version| Keys {
        ours,
        theirs,
        key_version,
        version,
    };
    let mut all = vec![
        keys(one(), json!(SECRET), None, 1),
        keys(one(), json!(SECRET), None, 2),
    ];
    for version in [0, 3, 12] {
        all.push(keys(several(version), versions.clone(), Some(version), 2));
    }
    all
}

impl Keys {
    fn sign(&self, row: &Row) -> String {
        match self.version {
            1 => self
                .ours
                .sign_v1_at(&row.name, &row.value, at(row.time))
                .unwrap(),
            _ => self.ours.sign_at(&row.name, &row.value, at(row.time)),
        }
    }

    fn verify(&self, name: &str, text: &str) -> Option<Vec<u8>> {
        let max_age = Duration::from_secs(MAX_AGE * DAY);
        let signed = self.ours.verify_at(name, text, max_age, at(NOW))?;
        assert_eq!(u8::from(signed.key_version().is_some()) + 1, self.version);
        Some(signed.into_value())
    }

    fn question(&self, texts: &[(&str, &str)]) -> Value {
        let texts: Vec<_> = texts
            .iter()
            .map(|(name, text)| json!([name, text, NOW]))
            .collect();
        json!({"do": "verify", "secret": self.theirs, "max_age_days": MAX_AGE, "texts": texts})
    }
}

/// Acceptance of signed values: both sides write the same bytes, read what the other has written, and refuse the same.
#[test]
fn signed_values_are_those_of_tornado() {
    let (mut random, mut tornado) = (random(), Tornado::start());
    for keys in keys() {
        let rows = rows(&mut random);
        let values: Vec<_> = rows
            .iter()
            .map(|row| json!([row.name, STANDARD.encode(&row.value), row.time]))
            .collect();
        let theirs = tornado.ask(&json!({
            "do": "sign", "secret": keys.theirs, "key_version": keys.key_version,
            "version": keys.version, "values": values,
        }));
        let ours: Vec<String> = rows.iter().map(|row| keys.sign(row)).collect();
        assert_eq!(theirs.len(), COUNT);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "the same bytes");
        }
        let texts: Vec<(&str, &str)> = rows
            .iter()
            .zip(&ours)
            .map(|(row, text)| (&*row.name, &**text))
            .collect();
        let judged = tornado.ask(&keys.question(&texts));
        let mut old = 0;
        for ((row, text), judged) in rows.iter().zip(&ours).zip(&judged) {
            let read = keys.verify(&row.name, text);
            let is_young = row.time + MAX_AGE * DAY >= NOW;
            old += usize::from(!is_young);
            assert_eq!(read, is_young.then(|| row.value.clone()), "{text}");
            assert_eq!(
                read.map(|value| STANDARD.encode(value)).as_deref(),
                judged.as_str()
            );
        }
        assert!((1..COUNT).contains(&old));
        let tampered: Vec<String> = ours.iter().map(|text| tamper(&mut random, text)).collect();
        let texts: Vec<(&str, &str)> = rows
            .iter()
            .zip(&tampered)
            .map(|(row, text)| (&*row.name, &**text))
            .collect();
        for ((row, text), judged) in rows
            .iter()
            .zip(&tampered)
            .zip(tornado.ask(&keys.question(&texts)))
        {
            assert_eq!(keys.verify(&row.name, text), None, "{text}");
            assert_eq!(judged, Value::Null, "{text}");
        }
    }
}

/// A value that was signed with the secret before is read after the change, by both.
#[test]
fn values_of_an_old_key_are_read_by_both() {
    let (mut random, mut tornado) = (random(), Tornado::start());
    let all = keys();
    let [_, _, old, new, _] = &all[..] else {
        panic!("five sets of keys");
    };
    for row in rows(&mut random).iter().take(100) {
        let row = Row {
            time: NOW,
            name: row.name.clone(),
            value: row.value.clone(),
        };
        let text = old.sign(&row);
        assert_eq!(new.verify(&row.name, &text).as_ref(), Some(&row.value));
        let judged = tornado.ask(&new.question(&[(&row.name, &text)]));
        assert_eq!(judged[0], STANDARD.encode(&row.value));
    }
}

async fn token(cx: &mut RequestContext) -> Result {
    let token = cx.xsrf_token()?;
    cx.text(token)
}

async fn done(cx: &mut RequestContext) -> Result {
    cx.text("done")
}

fn xsrf_app(version: XsrfVersion) -> Application {
    let xsrf = Xsrf::new().version(version);
    Application::new()
        .xsrf(xsrf)
        .get("/", token)
        .post("/", done)
}

async fn is_accepted(app: &Application, cookie: &str, token: &str) -> bool {
    let request = post("/", "text/plain", "");
    let headers = [("cookie", cookie), ("x-xsrftoken", token)];
    let status = call(app, with_headers(request, &headers)).await.status();
    assert!([StatusCode::OK, StatusCode::FORBIDDEN].contains(&status));
    status == StatusCode::OK
}

/// Changes a digit of the token itself: the mask and the time of a token do not count.
fn other_token(random: &mut fastrand::Rng, token: &str) -> String {
    let mut fields: Vec<String> = token.split('|').map(str::to_owned).collect();
    let field = fields.len() / 2;
    let at = random.usize(0..fields[field].len());
    let digit = char::from(fields[field].as_bytes()[at])
        .to_digit(16)
        .unwrap();
    let other = char::from_digit(digit ^ random.u32(1..16), 16).unwrap();
    fields[field].replace_range(at..=at, &other.to_string());
    fields.join("|")
}

/// Acceptance of tokens: pages of one side are answered by the other.
#[tokio::test]
async fn xsrf_tokens_are_those_of_tornado() {
    let (mut random, mut tornado) = (random(), Tornado::start());
    for (version, number) in [(XsrfVersion::V1, 1), (XsrfVersion::V2, 2)] {
        let app = xsrf_app(version);
        let theirs = tornado.ask(&json!({"do": "make", "version": number, "count": COUNT}));
        assert_eq!(theirs.len(), COUNT);
        for made in &theirs {
            let (cookie, token) = (made[0].as_str().unwrap(), made[1].as_str().unwrap());
            let (cookie, _path) = cookie.split_once(';').unwrap();
            assert!(is_accepted(&app, cookie, token).await, "{cookie} {token}");
            let other = other_token(&mut random, token);
            assert!(!is_accepted(&app, cookie, &other).await, "{cookie} {other}");
        }
        let mut pairs = Vec::new();
        for _ in 0..COUNT {
            let page = call(&app, get("/")).await;
            let cookie = super::cookie_line(&page, "_xsrf").unwrap();
            let (cookie, _attributes) = cookie.split_once(';').unwrap();
            let token = text(&page);
            pairs.push(json!([cookie, token]));
            pairs.push(json!([cookie, other_token(&mut random, token)]));
        }
        let judged = tornado.ask(&json!({"do": "check", "pairs": pairs}));
        assert_eq!(judged.len(), 2 * COUNT);
        for (pair, judged) in pairs.chunks(2).zip(judged.chunks(2)) {
            assert_eq!(judged, [json!(200), json!(403)], "{pair:?}");
        }
    }
}

/// What is malformed for one is malformed for the other.
#[tokio::test]
async fn odd_tokens_are_judged_alike() {
    let mut tornado = Tornado::start();
    let app = xsrf_app(XsrfVersion::V2);
    let token = "000102030405060708090a0b0c0d0e0f";
    let masked = "2|ffffffff|fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0|1300000000";
    let odd = [
        token.to_owned(),
        masked.to_owned(),
        token.to_uppercase(),
        masked.to_uppercase(),
        masked.replace("2|", "3|"),
        masked.replace("2|", "02|"),
        masked.replace("2|", "1|"),
        masked.replace("|1300000000", ""),
        masked.replace("1300000000", "soon"),
        format!("{masked}|"),
        masked.replace("ffffffff|", "ffff|"),
        masked.replace("ffffffff|", "ffffffffffffffff|"),
        masked.replace("ffffffff|", "fffffff|"),
        masked.replace("ffffffff|", "gggggggg|"),
        format!("{token}00"),
        token[..30].to_owned(),
        "no hex at all, but longer than 16 bytes".to_owned(),
        "|".repeat(20),
    ];
    for sent in &odd {
        for kept in &odd {
            let cookie = format!("_xsrf={kept}");
            let judged = tornado.ask(&json!({"do": "check", "pairs": [[cookie, sent]]}));
            // Tornado takes tokens of any length, we take none of less than 16 bytes.
            let is_short = sent.len() == 30 || kept.len() == 30;
            let theirs = judged[0] == json!(200) && !(is_short && sent.len() == kept.len());
            assert_eq!(
                is_accepted(&app, &cookie, sent).await,
                theirs,
                "{kept} {sent}"
            );
        }
    }
}
