//! The HTTP engine over memory, on a clock that does not wait.

use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use cyclone_core::{Connection, Protocol as _, ProtocolFactory as _};
use cyclone_web::{Application, RequestContext};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};

/// More than all limits of a connection together.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// How HTTP/2 begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// What the engine says to heads that hyper cannot parse.
const REFUSALS: [&str; 2] = ["the request is malformed", "are spoken here"];

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
}

/// Runs a future to its end; time passes at once when there is nothing else to do.
pub(crate) fn block_on<F: Future>(work: F) -> F::Output {
    RUNTIME.with(|runtime| runtime.block_on(work))
}

/// Runs two futures at once and returns what the second gives; the first may be dropped before its end.
pub(crate) async fn join<T>(first: impl Future<Output = ()>, second: impl Future<Output = T>) -> T {
    let mut first = pin!(first);
    let mut second = pin!(second);
    let mut done = false;
    std::future::poll_fn(|cx| {
        if !done {
            done = Pin::new(&mut first).poll(cx).is_ready();
        }
        match second.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(value),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Sends the pieces to an application and returns everything that it answers until it closes.
pub(crate) async fn converse<'a>(
    app: &Application,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let (connection, client) = Connection::in_memory();
    let protocol = app.build(connection.peer()).expect("everybody is served");
    let server = tokio::spawn(protocol.run(connection));
    let (mut reader, mut writer) = tokio::io::split(client);
    let write = async {
        for piece in pieces {
            // The server may have closed.
            if writer.write_all(piece).await.is_err() {
                break;
            }
            // Whoever can go on with this piece does.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        }
        let _ = writer.shutdown().await;
    };
    let mut answer = Vec::new();
    let read = async {
        // A reset is an end too.
        let _ = reader.read_to_end(&mut answer).await;
    };
    let talk = tokio::time::timeout(FOREVER, join(write, read));
    talk.await.expect("the server closes");
    let ended = tokio::time::timeout(FOREVER, server).await;
    // Its result is of no interest; its panic is.
    let _ = ended.expect("the connection ends").expect("nothing panics");
    answer
}

/// Answers what it was sent.
async fn mirror(cx: &mut RequestContext) -> cyclone_web::Result {
    let body = cx.body().await?;
    let query = cx.query_arguments().map_or(0, |arguments| arguments.len());
    cx.text(format!("{} {} {query} {body:?}", cx.method(), cx.uri()))
}

fn app() -> Application {
    Application::new()
        .get("/", mirror)
        .post("/", mirror)
        .get("/{*rest}", mirror)
        .post("/{*rest}", mirror)
        .log_request(|_, _| {})
}

/// The first byte says how the rest is cut: raw bytes of a client. However they are cut the answers are the same,
/// they are answers, and the connection ends.
pub(crate) fn http1(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    let app = app();
    // A client that goes in the middle of something.
    check(&block_on(converse(&app, std::iter::once(stream))), stream);

    // Whether a head that never ends is known to be wrong before its end depends on how it comes: let it end.
    let stream = [stream, b"\r\n\r\n"].concat();
    let whole = block_on(converse(&app, std::iter::once(stream.as_slice())));
    check(&whole, &stream);
    let cut = block_on(converse(&app, stream.chunks(usize::from(*size).max(1))));
    // HTTP/2 answers in frames, and in any order; hyper says nothing to a preface that comes late. Whether the
    // connection goes on after a request that expected 100 and got another answer depends on what came of its body.
    let expects = has(&stream.to_ascii_lowercase(), b"100-continue");
    // Of two requests that are alike but for a fragment, both may be refused when they come together.
    if !has(&stream, PREFACE) && !has(&stream, b"#") && !expects {
        assert_eq!(comparable(&whole), comparable(&cut));
    }
}

fn has(stream: &[u8], word: &[u8]) -> bool {
    stream.windows(word.len()).any(|window| window == word)
}

fn check(answer: &[u8], stream: &[u8]) {
    if answer.is_empty() || has(stream, PREFACE) {
        return;
    }
    assert!(answer.starts_with(b"HTTP/1."), "{}", answer.escape_ascii());
    let internal = answer.windows(13).any(|window| window == b"\nHTTP/1.1 500");
    let internal = internal || answer.starts_with(b"HTTP/1.1 500");
    assert!(!internal, "{}", answer.escape_ascii());
}

/// Without dates. A head that is wrong in two ways may be refused for either, whichever is seen first.
fn comparable(answer: &[u8]) -> String {
    let lines = answer.split_inclusive(|byte| *byte == b'\n');
    let kept = lines.filter(|line| !line.starts_with(b"date: "));
    let mut text: String = kept
        .map(|line| line.escape_ascii().to_string() + "\n")
        .collect();
    for status in ["HTTP/1.1 400 Bad Request", "HTTP/1.1 505 "] {
        if let Some(place) = text.rfind(status)
            && REFUSALS.iter().any(|reason| text[place..].contains(reason))
        {
            text.truncate(place);
            text += "refused";
        }
    }
    text
}
