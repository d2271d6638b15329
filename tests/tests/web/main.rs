//! The web listener as browsers, their page and other people's programs meet it.

mod browser;
mod page;
mod programs;
mod sessions;

use malote_tests::TestServer;

/// The host and port of a server's web listener.
fn host(server: &TestServer) -> &str {
    server.web().strip_prefix("http://").expect("on loopback it speaks HTTP")
}
