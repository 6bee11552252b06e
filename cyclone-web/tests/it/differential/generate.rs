//! Streams of requests: from a grammar that leaves the standard now and then, and bytes changed at random.

use fastrand::Rng;

use super::words::{EXTENSIONS, FIELDS, HOSTS, LINE_ENDS, METHODS, TARGETS, TRAILERS, VERSIONS};

/// Makes streams.
pub(crate) struct Generator {
    pub(crate) rng: Rng,
    /// One in so many choices leaves the standard; never for 0.
    oddity: usize,
    /// Fields and body of the last request.
    fields: Option<Vec<u8>>,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let oddity = [0, 5, 12, 40, 150][rng.usize(..5)];
        Self {
            rng,
            oddity,
            fields: None,
        }
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.rng.usize(..of.len())]
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.rng.usize(..one_in) == 0
    }

    fn is_odd(&mut self) -> bool {
        self.oddity > 0 && self.chance(self.oddity)
    }

    fn odd<'a>(&mut self, usual: &'a str, odd: &[&'a str]) -> &'a str {
        if self.is_odd() { self.one(odd) } else { usual }
    }

    /// A few requests, one behind the other; some are damaged.
    pub(crate) fn stream(&mut self) -> Vec<u8> {
        let mut stream = Vec::new();
        for _ in 0..[1, 1, 2, 2, 3, 5][self.rng.usize(..6)] {
            self.request(&mut stream);
        }
        if self.chance(2) {
            for _ in 0..self.rng.usize(1..4) {
                self.damage(&mut stream);
            }
        }
        stream
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        // Lines are many.
        let end = if self.is_odd() && self.chance(3) {
            self.one(LINE_ENDS)
        } else {
            "\r\n"
        };
        put(out, end);
    }

    fn request(&mut self, out: &mut Vec<u8>) {
        let before = self.odd(
            "",
            &[
                "\r\n", "\r\n\r\n", "\n", "\r", " ", "\n\r\n", "\r\n\n", "\0", "\r\n\r",
            ],
        );
        put(out, before);
        let usual = if self.chance(2) { "GET" } else { "POST" };
        let method = if self.chance(8) {
            "HEAD"
        } else {
            self.odd(usual, METHODS)
        };
        put(out, method);
        let space = self.odd(" ", &["  ", "\t", "", "\r", "\u{b}"]);
        put(out, space);
        let usual = [
            "/",
            "/a?b",
            "/a/b",
            "http://h/x",
            "/long/path/of/some/length?with=query&and=more",
        ][self.rng.usize(..5)];
        let target = self.odd(usual, TARGETS);
        put(out, target);
        let space = self.odd(" ", &["  ", "\t", ""]);
        put(out, space);
        let usual = if self.chance(8) {
            "HTTP/1.0"
        } else {
            "HTTP/1.1"
        };
        let version = self.odd(usual, VERSIONS);
        put(out, version);
        self.end_line(out);
        if self.chance(3)
            && let Some(fields) = self.fields.clone()
        {
            // Many clients send the same fields again.
            out.extend_from_slice(&fields);
            return;
        }
        let start = out.len();
        self.fields(out);
        self.fields = Some(out[start..].to_vec());
    }

    fn fields(&mut self, out: &mut Vec<u8>) {
        let mut lines = Vec::new();
        if !self.is_odd() {
            let host = self.odd("h", HOSTS);
            lines.push(format!(
                "{}: {host}",
                self.clone_one(&["Host", "host", "HOST"])
            ));
        }
        for _ in 0..self.rng.usize(..4) {
            lines.push(if self.is_odd() || self.chance(12) {
                self.one(FIELDS).to_owned()
            } else {
                self.one(&[
                    "Accept: */*",
                    "User-Agent: a",
                    "x: y",
                    "X-Empty:",
                    "Cookie: a=b",
                ])
                .to_owned()
            });
        }
        if self.is_odd() && self.chance(20) {
            let count = [98, 99, 100, 101, 200][self.rng.usize(..5)];
            lines.extend((0..count).map(|_| "x: y".to_owned()));
        }
        let mut body = Vec::new();
        match self.rng.usize(..5) {
            0 | 1 => {}
            2 | 3 => {
                let size = [0, 1, 3, 10, 30, 30, 100, 5000][self.rng.usize(..8)];
                self.data(&mut body, size);
                let size = if self.is_odd() {
                    self.rng.usize(..20)
                } else {
                    size
                };
                lines.push(format!("Content-Length: {size}"));
            }
            _ => {
                self.chunks(&mut body);
                lines.push("Transfer-Encoding: chunked".to_owned());
            }
        }
        self.rng.shuffle(&mut lines);
        for line in lines {
            put(out, &line);
            self.end_line(out);
        }
        self.end_line(out);
        out.extend_from_slice(&body);
    }

    fn clone_one(&mut self, of: &[&'static str]) -> &'static str {
        self.one(of)
    }

    fn data(&mut self, out: &mut Vec<u8>, size: usize) {
        if size > 0 && self.chance(10) {
            // What a smuggler would like to be read as a request.
            let inner = b"GET /smuggled HTTP/1.1\r\nhost: h\r\n\r\n";
            out.extend(inner.iter().cycle().take(size));
        } else {
            out.extend((0..size).map(|_| self.rng.alphanumeric() as u8));
        }
    }

    fn chunks(&mut self, out: &mut Vec<u8>) {
        for _ in 0..self.rng.usize(..4) {
            let size = [1, 2, 9, 10, 11, 15, 16, 17, 31, 32, 255, 4096][self.rng.usize(..12)];
            let told = if self.is_odd() {
                size + self.rng.usize(..3) - 1
            } else {
                size
            };
            self.size_line(out, told);
            self.data(out, size);
            self.end_line(out);
        }
        if self.is_odd() {
            return;
        }
        self.size_line(out, 0);
        if self.chance(4) {
            for _ in 0..self.rng.usize(1..3) {
                let trailer = self.odd("x: y", TRAILERS);
                put(out, trailer);
                self.end_line(out);
            }
        }
        self.end_line(out);
    }

    fn size_line(&mut self, out: &mut Vec<u8>, size: usize) {
        let text = match self.rng.usize(..8) {
            0 => format!("{size:X}"),
            1 => format!("0{size:x}"),
            _ => format!("{size:x}"),
        };
        let odd = [
            format!("{size:016x}"),
            format!("{size:017x}"),
            format!("{size:040x}"),
            format!("+{size:x}"),
            format!("-{size:x}"),
            format!("0x{size:x}"),
            format!("{size:x}_"),
            format!(" {size:x}"),
            format!("{size:x}g"),
            "ffffffffffffffff".to_owned(),
            "10000000000000000".to_owned(),
            "fffffffffffffffff".to_owned(),
            "a00001".to_owned(),
            String::new(),
        ];
        let text = if self.is_odd() {
            &odd[self.rng.usize(..odd.len())]
        } else {
            &text
        };
        put(out, text);
        let extension = self.odd("", EXTENSIONS);
        put(out, extension);
        if self.is_odd() && self.chance(30) {
            let length = 16 * 1024 - 4 + self.rng.usize(..8);
            put(out, ";");
            out.resize(out.len() + length, b'x');
        }
        self.end_line(out);
    }

    /// Changes bytes, whatever they mean.
    pub(crate) fn damage(&mut self, stream: &mut Vec<u8>) {
        const BYTES: &[u8] = b"\r\n\0 \t:;,#\x0b\x7f\x80\xff/?0159afAFxX+-_\"%*";
        if stream.is_empty() {
            return;
        }
        let at = self.rng.usize(..stream.len());
        let end = (at + self.rng.usize(1..12)).min(stream.len());
        match self.rng.usize(..9) {
            0 => stream[at] ^= 1 << self.rng.usize(..8),
            1 | 2 => stream[at] = BYTES[self.rng.usize(..BYTES.len())],
            3 | 4 => stream.insert(at, BYTES[self.rng.usize(..BYTES.len())]),
            5 => drop(stream.drain(at..end)),
            6 => {
                let copy = stream[at..end].to_vec();
                let to = self.rng.usize(..=stream.len());
                stream.splice(to..to, copy);
            }
            7 => {
                let other = stream[self.rng.usize(..stream.len())..].to_vec();
                stream.truncate(at);
                stream.extend_from_slice(&other);
            }
            _ => {
                if self.chance(4) {
                    stream.truncate(at);
                }
            }
        }
    }

    /// The sizes of the pieces that `length` bytes come in: random ones, single bytes, or one for all.
    pub(crate) fn cuts(&mut self, length: usize) -> Vec<usize> {
        let most = match self.rng.usize(..8) {
            0 if length < 400 => 1,
            1..=3 => 80,
            4 => 2000,
            _ => length.max(1),
        };
        let mut cuts = Vec::new();
        let mut rest = length;
        while rest > 0 {
            let cut = if most == length {
                rest
            } else {
                rest.min(self.rng.usize(1..=most))
            };
            cuts.push(cut);
            rest -= cut;
        }
        cuts
    }
}

/// Characters up to U+00FF are bytes, so that tables can be text.
fn put(out: &mut Vec<u8>, text: &str) {
    for character in text.chars() {
        match u8::try_from(character) {
            Ok(byte) => out.push(byte),
            Err(_) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}
