//! Streams of requests: from a grammar that leaves the standard now and then, and bytes changed at random.

use fastrand::Rng;

/// What is written where a line ends.
const LINE_ENDS: &[&str] = &[
    "\n", "\r", "\r\r\n", " \r\n", "\t\r\n", "\n\r\n", "\r\n\r\n", "", "\0\r\n",
];

const METHODS: &[&str] = &[
    "HEAD",
    "OPTIONS",
    "PUT",
    "DELETE",
    "PATCH",
    "QUERY",
    "CONNECT",
    "TRACE",
    "get",
    "M-SEARCH",
    "PRI",
    "",
    "G(T",
    "GET\t",
    "GETGETGETGETGETGETGETGET",
    "POS\u{e9}",
    "a!#$%&'*+-.^_`|~9",
];

const TARGETS: &[&str] = &[
    "/a",
    "/a/b?c=d",
    "/?",
    "/%23",
    "/a%zz",
    "/a#b",
    "/a?b#c",
    "#",
    "/\u{e9}",
    "/{a}|\"^`\\",
    "/?{a}|\"^`\\<>",
    "/<a>",
    "//a",
    "//a/b",
    "/a//b/../c",
    "*",
    "*?a",
    "*/a",
    "a",
    "a/b",
    "a:80",
    "h",
    "h:80",
    "http://h/",
    "http://h",
    "http://H:80/a?b",
    "http://h:81/",
    "http://other/",
    "https://h/",
    "https://h:443/",
    "http://u@h/",
    "http://h#a",
    "http://h?a",
    "http:///a",
    "http:/h/",
    "http:h",
    "HTTP://h/",
    "ftp://h/",
    "ws://h/",
    "mailto:a@h",
    "http://[::1]/",
    "http://h:99999/",
    "http://h:/",
    "",
    "?",
    "/a b",
    "/\t",
    "/\0",
    "/\r",
    "/\u{7f}",
    "/a\u{1}",
    "/:",
    "/@",
    "://",
    "http://",
    "http://h h/",
    "http://%68/",
    "/a;b=c",
    "/~a!$&'()*+,;=:@",
];

const VERSIONS: &[&str] = &[
    "HTTP/1.0",
    "HTTP/1.0",
    "HTTP/1.0",
    "HTTP/1.2",
    "HTTP/2.0",
    "HTTP/0.9",
    "HTTP/1.",
    "HTTP/1",
    "HTTP/1.10",
    "HTTP/01.1",
    "http/1.1",
    "HTTP/1,1",
    "HTTPS/1.1",
    "",
    " HTTP/1.1",
    "HTTP/1.1 ",
    "HTTP /1.1",
    "HTTP/1.1\t",
    "HTTP/11",
    "HTTP/1.1x",
];

/// Values of `host`; the first is what other parts expect.
const HOSTS: &[&str] = &[
    "h",
    "h:80",
    "H",
    "h:",
    "h:81",
    "other",
    "",
    "h:x",
    "h:99999",
    "u@h",
    "h/a",
    "h,h",
    "[::1]",
    "[::1]:80",
    "[zz]",
    "h h",
    "h#a",
    "%68",
    "%6",
    "\u{e9}",
    "a.b-c_d~e",
    " h ",
    "\th\t",
    "h\u{b}",
];

/// Fields that matter for framing and connection, and some that do not.
const FIELDS: &[&str] = &[
    "Connection: close",
    "connection: keep-alive",
    "Connection: Upgrade",
    "CONNECTION: Keep-Alive, close",
    "Connection: close, \u{e9}",
    "Connection: clos\u{e9}",
    "Connection:",
    "Connection: keep-alive,,Upgrade",
    "Connection: \"close\"",
    "Connection: close;a",
    "Connection:close",
    "Connection: \tclose\t",
    "Proxy-Connection: close",
    "Upgrade: websocket",
    "upgrade: h2c",
    "Upgrade:",
    "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    "Expect: 100-continue",
    "Expect: 100-Continue",
    "expect: 200-ok",
    "Expect:",
    "Expect: 100-continue, a",
    "Expect: \u{e9}",
    "TE: trailers",
    "TE: gzip;q=1, trailers",
    "Trailer: x",
    "Keep-Alive: timeout=5",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked;a=b",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: chunked,",
    "Transfer-Encoding: ,chunked",
    "Transfer-Encoding:",
    "Transfer-Encoding: \u{e9}",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: chunked",
    "transfer-encoding:\tChunked ",
    "Transfer-Encoding : chunked",
    "Transfer\u{e9}Encoding: chunked",
    "Transfer_Encoding: chunked",
    "Content-Length: 0",
    "content-length: 3",
    "Content-Length: 03",
    "Content-Length: +3",
    "Content-Length: -3",
    "Content-Length: 3,3",
    "Content-Length: 3, 3",
    "Content-Length: 3 3",
    "Content-Length: 0x3",
    "Content-Length: 3_0",
    "Content-Length: 3.0",
    "Content-Length:",
    "Content-Length: ,",
    "Content-Length : 3",
    "Content\u{b}Length: 3",
    "Content_Length: 3",
    "Content-Length: 18446744073709551615",
    "Content-Length: 18446744073709551616",
    "Content-Length: 18446744073709551613",
    "Content-Length: 18446744073709551614",
    "Content-Length: 99999999999999999999",
    "Content-Length: 000000000000000000000003",
    "Content-Length: 10485760",
    "Content-Length: 10485761",
    "Content-Length: 65536",
    "Content-Length: 65537",
    "Content-Length: \u{0663}",
    "X: y",
    "x:",
    "x:y",
    "x:  y  ",
    "X: \u{e9}\u{fc}",
    "x: a\tb",
    "X: a\0b",
    "X: a\rb",
    "X: a\u{1}b",
    "X: a\u{7f}b",
    "X y",
    "X",
    ": y",
    " x: y",
    "x : y",
    "x\t: y",
    "x(: y",
    "x: a\r\n b",
    "x: a\r\n\tb",
    "x: a\n b",
    "x: a\r\n ",
    "x: a\r b",
    "Cookie: a=b",
    "cookie: c=d",
    "!#$%&'*+-.^_`|~09azAZ: tchar",
    "\u{e9}: y",
    "x:y: z",
    "Host: h",
    "Content-Type: text/plain",
];

const EXTENSIONS: &[&str] = &[
    ";a",
    ";a=b",
    ";a=\"b\"",
    " ;a",
    "\t;a=b",
    ";",
    ";;",
    ";a= b ",
    " ",
    "\t",
    "  ",
    " ; a = b",
    ";a\0",
    ";a\u{7f}",
    ";\u{e9}",
    ";a\tb",
    ";a\u{1}",
    " x",
    ";a\nb",
    ";a\rb",
    "x",
    ";a=\"\r\n\"",
];

const TRAILERS: &[&str] = &[
    "x: y",
    "x:",
    "X-Sum: 1",
    "x : y",
    "x y",
    " x: y",
    "x: a\r\n b",
    "x: a\nb: c",
    "x: a\0b",
    "x: \u{e9}",
    ": y",
    "x: a\rb",
    "content-length: 3",
    "transfer-encoding: chunked",
    "host: other",
    "x: a\u{1}b",
    "\u{e9}: y",
    "\n",
    "x",
    "connection: close",
];

/// Makes streams.
pub(crate) struct Generator {
    pub(crate) rng: Rng,
    /// One in so many choices leaves the standard; never for 0.
    oddity: usize,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let oddity = [0, 5, 12, 40, 150][rng.usize(..5)];
        Self { rng, oddity }
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
        self.fields(out);
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
