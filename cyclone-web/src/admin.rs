//! Pages and endpoints for operators, balancers and monitoring, about the server that they are in.

use std::fmt;
use std::sync::Arc;

use cyclone_core::{Context as _, Resources, ServerHandle};

use crate::application::Application;
use crate::context::RequestContext;
use crate::error::{Error, Result};

use access::Access;
use live::Hub;

pub use access::MIN_ADMIN_TOKEN;
pub use connections::MAX_LISTED_CONNECTIONS;
pub use live::MAX_ADMIN_VIEWERS;

mod access;
mod connections;
mod endpoint;
mod health;
mod live;
mod metrics;
mod page;
mod status;
#[cfg(test)]
mod tests;

/// What a server shows of itself over HTTP: health, metrics, and a live page.
///
/// | path | answers |
/// |---|---|
/// | `/` | the live page: connections, services, pools, limits, as they change |
/// | `/live` | 200 while the process runs |
/// | `/ready` | 200, or 503 while the server starts, drains, or misses what it [requires](cyclone_core::Server::ready_requires); with `?verbose` a JSON object that says why |
/// | `/metrics` | all numbers in Prometheus' text format |
/// | `/status.json` | a [snapshot](cyclone_core::Snapshot) of the server |
/// | `/connections` | open connections as JSON, newest first: `?limit=100&protocol=http` |
/// | `/connections/{id}/close` | `POST` ends a connection, with `?peer=` only if it is that of this peer, with `?server=` that of the server of this number; needs the header `x-cyclone-admin`, which no page of another origin can send |
/// | `/events` | what the live page shows, once a second, as an event stream |
///
/// It is an [`Application`] of its own, for a port of its own or to be mounted:
///
/// ```
/// use cyclone_core::{Endpoint, Server};
/// use cyclone_web::{Application, RequestContext};
/// use cyclone_web::admin::Admin;
///
/// let app = Application::new().get("/", async |cx: &mut RequestContext| cx.text("hello"));
/// let server = Server::new()
///     .listen(Endpoint::tcp(8888), app)
///     .listen(Endpoint::loopback(9090), Admin::new().application());
/// # let _ = server;
/// # let app = Application::new();
/// let app = app.mount("/admin", Admin::new().application());
/// # let _ = app;
/// ```
///
/// # Who may look
///
/// Unless told otherwise only peers on a loopback address or a Unix domain socket, who ask for a loopback address or
/// `localhost` and come through no proxy that can be noticed: requests of HTTP/1.0, which is what nginx speaks unless told
/// otherwise, and those with `forwarded`, `x-forwarded-for`, `x-forwarded-host`, `x-real-ip` or `via` are refused, because
/// behind a proxy on the same machine everybody is a loopback peer. One that says nothing of itself (HAProxy without
/// `option forwardfor`, whatever carries bytes only) is **not** noticed: where any is in front of the same listener, use
/// [`token`](Self::token) or [`allow`](Self::allow), which put another rule in the place of this one.
///
/// Pages of other origins get nothing, whoever may look: what browsers tell (`sec-fetch-site`, `origin`) is checked, no
/// answer is for sharing between origins, and none is kept in a cache.
#[derive(Clone)]
#[must_use = "nothing is shown until a server listens with the application"]
pub struct Admin {
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    access: Access,
    is_health_open: bool,
    is_read_only: bool,
    /// In the place of the server that the request came to.
    servers: Option<Arc<Servers>>,
    /// The metrics of the program, rendered by whoever records them.
    recorded: Option<Recorded>,
    hub: Hub,
}

type Servers = dyn Fn(&Resources) -> Vec<ServerHandle> + Send + Sync;

type Recorded = Arc<dyn Fn() -> String + Send + Sync>;

impl Admin {
    /// For peers of this machine, about the server that the requests come to.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                access: Access::Local,
                is_health_open: false,
                is_read_only: false,
                servers: None,
                recorded: None,
                hub: Hub::default(),
            }),
        }
    }

    /// Lets those in who know a token, from wherever they come: `authorization: Bearer TOKEN`, or as the password of
    /// any user (`Basic`), which is how browsers ask for it. It is sent with every request, so use TLS.
    ///
    /// # Panics
    /// When the token is shorter than [`MIN_ADMIN_TOKEN`] (16 bytes): it could be guessed.
    pub fn token(mut self, token: impl AsRef<str>) -> Self {
        self.edit().access = Access::token(token.as_ref());
        self
    }

    /// Lets those in for whom `is_allowed` says so. It is asked with every request, and must not block.
    pub fn allow(
        mut self,
        is_allowed: impl Fn(&RequestContext) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.edit().access = Access::Check(Arc::new(is_allowed));
        self
    }

    /// Lets everybody see `/live` and `/ready`, one word each, for balancers on other machines.
    pub fn open_health(mut self) -> Self {
        self.edit().is_health_open = true;
        self
    }

    /// Shows everything and changes nothing: connections cannot be closed.
    pub fn read_only(mut self) -> Self {
        self.edit().is_read_only = true;
        self
    }

    /// Looks at this server, and not at the one that the requests come to. So a second server can show how the first one
    /// drains, to its end.
    pub fn server(self, server: ServerHandle) -> Self {
        self.servers(move |_| vec![server.clone()])
    }

    /// Looks at these servers as one, and not only at the one that the requests come to; when there are none, at that one.
    /// For programs with a server for each core: connections add up, services and what is inspected are shown for each,
    /// metrics have a label `server`. It is asked with every request, with the resources of the server that it came to.
    ///
    /// With the runner of `cyclone-core`, whose `Process` knows the servers of all its workers in threads:
    ///
    /// ```
    /// use cyclone_core::{Resources, ServerHandle};
    /// use cyclone_web::admin::Admin;
    /// # struct Process;
    /// # impl Process { fn servers(&self) -> Vec<ServerHandle> { Vec::new() } }
    ///
    /// fn workers(resources: &Resources) -> Vec<ServerHandle> {
    ///     resources.get::<Process>().map(Process::servers).unwrap_or_default()
    /// }
    /// let admin = Admin::new().servers(workers);
    /// # let _ = admin;
    /// ```
    pub fn servers(
        mut self,
        servers: impl Fn(&Resources) -> Vec<ServerHandle> + Send + Sync + 'static,
    ) -> Self {
        self.edit().servers = Some(Arc::new(servers));
        self
    }

    /// Has `/metrics` answer with what `render` gives, which is the way to all metrics of the program in one place:
    /// the recorder of the `metrics` facade renders them, those of the server among them, which are
    /// [published](ServerHandle::publish_metrics) just before.
    ///
    /// Unless called the server's own are rendered without a recorder.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use cyclone_web::admin::Admin;
    /// use metrics_exporter_prometheus::PrometheusBuilder;
    ///
    /// let recorder = PrometheusBuilder::new().install_recorder()?; // before the server starts
    /// let admin = Admin::new().metrics_from(move || recorder.render());
    /// # let _ = admin;
    /// # Ok(())
    /// # }
    /// ```
    pub fn metrics_from(mut self, render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.edit().recorded = Some(Arc::new(render));
        self
    }

    /// The application, to listen with or to [mount](Application::mount). Its requests are logged at debug level, since
    /// machines ask all the time.
    pub fn application(&self) -> Application {
        let shared = Arc::new(self.shared.as_ref().clone());
        endpoint::routes(Application::new(), &shared)
            .log_request(|cx, finish| tracing::debug!(target: "cyclone::access", "{}", crate::request_log::line(cx, finish)))
    }

    fn edit(&mut self) -> &mut Shared {
        Arc::make_mut(&mut self.shared)
    }
}

impl Shared {
    /// What is looked at: one server at least.
    fn servers(&self, cx: &RequestContext) -> Result<Vec<ServerHandle>> {
        let asked = self.servers.as_ref().map(|ask| ask(cx.resources()));
        if let Some(servers) = asked.filter(|servers| !servers.is_empty()) {
            return Ok(servers);
        }
        let own: std::result::Result<&ServerHandle, _> = cx.resources().get();
        let own = own.map_err(|missing| {
            Error::internal("the admin pages are in no server of cyclone").because(missing)
        });
        Ok(vec![own?.clone()])
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("access", &self.shared.access)
            .field("is_health_open", &self.shared.is_health_open)
            .field("is_read_only", &self.shared.is_read_only)
            .finish_non_exhaustive()
    }
}
