//! The web listener: a page for browsers, `/ws` for that page, and `/chat` and `/echo` for whoever speaks WebSocket.
//!
//! On loopback it speaks HTTP, everywhere else HTTPS. What a browser may do here is bounded three times: the `Host` must
//! be one that no stranger's name server can point at us, a WebSocket's `Origin` must be the page that we serve, and the
//! page itself may load and reach nothing but us.

mod bridge;
mod chat;
mod headers;
mod intake;
mod page;
mod session;
mod socket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use malote_common::limits;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use crate::connection::{Caller, Context};
use crate::listener::{Arrival, Gate, listen, stopped};
use chat::Hub;
use socket::Upgrade;

/// Bytes of a request's line and headers: room for the cookies of everything else that is served from `localhost`, and a
/// bound for strangers.
const REQUEST_BYTES: usize = 32 * 1024;

/// Connections beyond those of pages, visitors and echoes: for the page's files, and to tell those who find no place.
const ROOM_FOR_REQUESTS: usize = 200;

/// A web listener that has its address, and serves once it is run.
pub struct Web {
    pub listener: TcpListener,
    pub address: SocketAddr,
    /// What it speaks HTTPS with; HTTP where there is nothing.
    pub tls: Option<TlsAcceptor>,
    /// Whether whoever comes may speak on `/chat`.
    pub visitors: bool,
    /// Pages that may be connected at once, together with programs.
    pub max_clients: usize,
}

/// What all connections of the web listener share.
#[derive(Clone)]
struct Shared {
    context: Context,
    /// Where sessions are counted until their clients have logged in.
    gate: Gate,
    /// The room of the visitors, if they are allowed.
    hub: Option<Arc<Hub>>,
    echoes: Arc<Semaphore>,
    /// What stands before the host in the origin of our page.
    scheme: &'static str,
}

impl Web {
    /// Where browsers find it.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme(), self.address)
    }

    /// Serves until the server stops.
    pub async fn run(self, gate: Gate, context: Context) {
        let stopping = context.stopping.clone();
        let (hub, bridge) = match self.visitors {
            true => {
                let (door, bridge) = bridge::open(gate.next_id(), &context).await;
                (Some(Arc::new(Hub::new(door))), Some(bridge))
            }
            false => (None, None),
        };
        let echoes = Arc::new(Semaphore::new(limits::WEB_ECHOES));
        let shared = Shared { context, gate: gate.clone(), hub: hub.clone(), echoes, scheme: self.scheme() };
        let router = router(shared.clone());
        let tls = self.tls;
        let places = self.max_clients.saturating_add(limits::WEB_VISITORS + limits::WEB_ECHOES + ROOM_FOR_REQUESTS);
        let requests = gate.beside(places, limits::WEB_REQUESTS_PER_ADDRESS);
        let listening = listen(self.listener, requests, stopping.clone(), |stream, arrival| {
            serve(stream, arrival, tls.clone(), router.clone(), shared.clone())
        });
        let bridging = async {
            if let (Some(hub), Some(bridge)) = (hub, bridge) {
                bridge.run(hub, stopping).await;
            }
        };
        tokio::join!(listening, bridging);
    }

    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

fn router(shared: Shared) -> Router {
    let socket_only = || get(|| async { StatusCode::UPGRADE_REQUIRED });
    page::routes()
        .route("/ws", socket_only())
        .route("/chat", socket_only())
        .route("/echo", socket_only())
        .layer(from_fn_with_state(shared.clone(), sockets))
        .layer(from_fn_with_state(shared, headers::known_host))
        .layer(from_fn(headers::confine))
}

/// Takes the requests for WebSockets out of the stream of requests, whatever their path.
async fn sockets(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    match socket::is_wanted(&request) {
        true => socket::answer(&shared, request).unwrap_or_else(|status| status.into_response()),
        false => next.run(request).await,
    }
}

/// Serves one connection to its end: one request, and the WebSocket that it may ask for.
async fn serve(stream: TcpStream, arrival: Arrival, tls: Option<TlsAcceptor>, router: Router, shared: Shared) {
    let Arrival { id, peer, at, handshake, place: _place } = arrival;
    let mut stopping = shared.context.stopping.clone();
    let time_left = limits::HANDSHAKE_TIME.saturating_sub(at.elapsed());
    let answered = tokio::select! {
        answered = timeout(time_left, answer(stream, tls, router)) => answered,
        () = stopped(&mut stopping) => return,
    };
    match answered.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(Some(upgrade)) => {
            let caller = Caller { id, peer, at, handshake };
            if let Err(error) = socket::serve(upgrade, caller, shared).await {
                debug!(%peer, %error, "no WebSocket");
            }
        }
        Ok(None) => {}
        Err(error) => debug!(%peer, %error, "no request"),
    }
}

/// Answers a connection's one request, and tells for which WebSocket it was, if for any.
async fn answer(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router) -> io::Result<Option<Upgrade>> {
    stream.set_nodelay(true)?;
    match tls {
        None => answer_on(stream, router).await,
        Some(tls) => answer_on(tls.accept(stream).await?, router).await,
    }
}

async fn answer_on(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
) -> io::Result<Option<Upgrade>> {
    let (upgrades, mut upgrade) = mpsc::channel::<Upgrade>(1);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request| {
        request.extensions_mut().insert(upgrades.clone());
        router.call(request)
    });
    hyper::server::conn::http1::Builder::new()
        .max_buf_size(REQUEST_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await
        .map_err(io::Error::other)?;
    Ok(upgrade.try_recv().ok())
}
