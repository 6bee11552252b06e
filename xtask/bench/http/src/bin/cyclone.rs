//! cyclone, written as its documentation does, with every limit and timer on as by default.

use cyclone_bench_http::{MESSAGE, Outcome, PLAINTEXT, announce, block_on, page, user};
use cyclone_core::{Address, Endpoint, Server};
use cyclone_web::{Application, RequestContext, Result};

fn main() -> Outcome {
    block_on(async {
        let app = Application::new()
            .get("/plaintext", plaintext)
            .get("/json", json)
            .get("/user/{id}", by_id)
            .get("/page", table);
        let server = Server::new()
            .listen(Endpoint::loopback(0), app)
            .start()
            .await?;
        for address in server.local_addresses() {
            if let Address::Tcp(address) = address {
                announce(*address)?;
            }
        }
        server.wait().await;
        Ok(())
    })
}

async fn plaintext(cx: &mut RequestContext) -> Result {
    cx.text(PLAINTEXT)
}

async fn json(cx: &mut RequestContext) -> Result {
    cx.json(&MESSAGE)
}

#[derive(serde::Deserialize)]
struct ById {
    id: u64,
}

async fn by_id(cx: &mut RequestContext) -> Result {
    let ById { id } = cx.path()?;
    let name = cx.argument("name")?;
    cx.text(user(id, &name))
}

async fn table(cx: &mut RequestContext) -> Result {
    cx.html(page())
}
