//! What a server shows of itself: a small shop with a public port, and the admin pages on another.
//!
//! Behind the shop are a pool of connections to a warehouse that is sometimes slow, a link to a supplier that sometimes
//! hangs up, a bus, a store, and services in groups, one of which fails now and then. All of it is pretended: there are
//! no services to install. Open the admin address in a browser.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use cyclone_core::{
    BackoffPolicy, Bus as _, Connector, Context as _, Endpoint, EventLoopDelay, Link, LocalBus,
    LoopingCall, MemoryStore, Pool, RunningServer, Server, Service, ServiceContext, ServiceError,
    ServiceGroup, ServiceOptions, Store as _,
};
use cyclone_web::admin::Admin;
use cyclone_web::{Application, RequestContext};
use lexopt::{Arg, Parser, ValueExt as _};
use tracing_subscriber::EnvFilter;

/// How long an order takes in the warehouse.
const WORK: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() -> Result<()> {
    let (http, admin) = addresses()?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();

    let warehouse = Pool::builder(Warehouse)
        .max_size(8)
        .name("warehouse")
        .build();
    let supplier = Link::spawn(Supplier, BackoffPolicy::reconnect(), listen_to_supplier);
    let (bus, carts, delay) = (
        LocalBus::new(),
        MemoryStore::new(),
        EventLoopDelay::default(),
    );
    let jobs = ServiceGroup::new("jobs")
        .service(newsletter(bus.clone()))
        .service(LoopingCall::new(
            "sweep",
            Duration::from_secs(60),
            |_| async { Ok(()) },
        ))
        .service_with(
            Stocktaking,
            ServiceOptions::new().ready_timeout(Duration::from_secs(10)),
        );

    let server = Server::new()
        .version(env!("CARGO_PKG_VERSION"))
        .listen(http, shop())
        .listen(admin, Admin::new().application())
        .inspect("warehouse", warehouse.clone())
        .inspect("supplier", supplier)
        .inspect("news", bus)
        .inspect("carts", carts.clone())
        .ready_requires("warehouse")
        .resource(warehouse)
        .resource(carts)
        .resource(delay.clone())
        .service(delay)
        .service_with(jobs, ServiceOptions::new())
        .service(Rates(AtomicU64::new(0)));
    let report = server.run_with(announce).await?;
    say(format_args!("{report}"));
    Ok(())
}

/// The shop: every order takes a connection to the warehouse and is put into a cart.
fn shop() -> Application {
    Application::new()
        .get("/", async |cx: &mut RequestContext| cx.text("welcome\n"))
        .post("/order/{item}", async |cx: &mut RequestContext| {
            let item = cx.path_argument("item")?;
            let pool = cx.resources().get::<Pool<Warehouse>>()?.clone();
            let connection = pool.get().await?;
            tokio::time::sleep(WORK).await;
            drop(connection);
            let carts = cx.resources().get::<MemoryStore>()?.clone();
            let key = format!("cart:{item}");
            let count = carts
                .increment(&key, 1, Some(Duration::from_secs(600)))
                .await?;
            cx.text(format!("{count} of {item}\n"))
        })
}

/// Pretends to be a database.
struct Warehouse;

impl Connector for Warehouse {
    type Connection = ();
    type Error = Infallible;

    async fn connect(&self) -> Result<(), Infallible> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(())
    }

    async fn check(&self, _connection: &mut ()) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Pretends to be somebody who sends news, and hangs up once a minute.
struct Supplier;

impl Connector for Supplier {
    type Connection = ();
    type Error = io::Error;

    async fn connect(&self) -> io::Result<()> {
        Ok(())
    }

    async fn check(&self, _connection: &mut ()) -> io::Result<()> {
        Ok(())
    }
}

async fn listen_to_supplier(_connection: (), context: cyclone_core::LinkContext) -> io::Result<()> {
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(60)) => Err(io::ErrorKind::ConnectionReset.into()),
        () = context.closing() => Ok(()),
    }
}

/// Publishes once a second.
fn newsletter(bus: LocalBus) -> impl Service {
    LoopingCall::new("newsletter", Duration::from_secs(1), move |_tick| {
        let bus = bus.clone();
        async move { Ok(bus.publish("news", Bytes::from_static(b"news")).await?) }
    })
}

/// Is ready after a moment.
struct Stocktaking;

impl Service for Stocktaking {
    fn name(&self) -> &str {
        "stocktaking"
    }

    async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        tokio::time::sleep(Duration::from_millis(200)).await;
        cx.ready();
        cx.stopping().await;
        Ok(())
    }

    fn reports_ready(&self) -> bool {
        true
    }
}

/// Asks somebody for exchange rates who does not answer every third time.
struct Rates(AtomicU64);

impl Service for Rates {
    fn name(&self) -> &str {
        "rates"
    }

    async fn run(&self, cx: &ServiceContext) -> Result<(), ServiceError> {
        let wait = match self.0.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Duration::from_millis(100),
            _ => Duration::from_secs(45),
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => Err("the exchange does not answer".into()),
            () = cx.stopping() => Ok(()),
        }
    }
}

/// The two addresses of the command line: `--http 127.0.0.1:8888 --admin 127.0.0.1:9090`.
fn addresses() -> Result<(Endpoint, Endpoint)> {
    let (mut http, mut admin) = (Endpoint::loopback(8888), Endpoint::loopback(9090));
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("http") => http = arguments.value()?.parse::<SocketAddr>()?.into(),
            Arg::Long("admin") => admin = arguments.value()?.parse::<SocketAddr>()?.into(),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok((http, admin))
}

/// Prints where the listeners are, one to a line, for people and for scripts.
fn announce(server: &RunningServer) {
    for (address, scheme) in server.local_addresses().iter().zip(["http", "admin"]) {
        say(format_args!("listening {scheme}://{address}"));
    }
}

#[expect(
    clippy::print_stdout,
    reason = "a program that tells its user where it is"
)]
fn say(line: std::fmt::Arguments<'_>) {
    println!("{line}");
}
