use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cyclone_web::client::ClientTimeouts;
use cyclone_web::{Application, Body, RequestContext, RequestHandler, Result};
use futures_util::stream;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::{client, within};
use crate::support::listen;

/// An endless feed, and how many pieces of it were written.
struct Feed(Arc<AtomicUsize>);

impl RequestHandler for Feed {
    async fn get(&self, _cx: &mut RequestContext) -> Result {
        let counter = Arc::clone(&self.0);
        let pieces = stream::iter((0_u64..).map(move |number| {
            counter.fetch_add(1, Ordering::Relaxed);
            // Cut where no parser likes it.
            let text = match number {
                0 => "<?xml version=\"1.0\"?><feed><item n=\"".to_owned(),
                number => format!("{number}\">caf\u{e9} &amp; {number}</item><item n=\""),
            };
            Ok::<_, Infallible>(text)
        }));
        Ok(http::Response::new(Body::from_stream(pieces)).into())
    }
}

/// Checklist row 105: "parse infinite xml streams".
#[tokio::test]
async fn endless_xml_is_parsed_as_it_comes() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let app = Application::new().route("/", Feed(counter));
    let (_server, address) = listen(app).await;
    let client = client(|builder| builder);
    let endless = ClientTimeouts::new().total(None);
    let request = client
        .get(format!("http://{address}/"))
        .timeouts(endless)
        .body_limit(None);
    let mut reader = Reader::from_reader(within(request.send()).await.unwrap().into_reader());
    let mut room = Vec::new();
    let mut items = 0_u64;
    while items < 20_000 {
        room.clear();
        match within(reader.read_event_into_async(&mut room))
            .await
            .unwrap()
        {
            Event::Start(start) if start.name().as_ref() == "item" => {
                let number = start.try_get_attribute("n").unwrap().unwrap();
                items += 1;
                assert_eq!(&*number.value, items.to_string());
            }
            Event::Eof => panic!("it has no end"),
            _ => {}
        }
    }
    assert!(room.capacity() < 4096, "only what is parsed is kept");
    // The server was held to our pace: what it wrote is what we read, and the buffers between.
    let written = sent.load(Ordering::Relaxed);
    assert!(written < 2_000_000, "{written}");
    drop(reader);
    assert_eq!(client.open_connections(), 0);
}
