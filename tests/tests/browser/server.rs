//! A server for browsers and programs.

use std::path::Path;

use malote_tests::{Cli, Running, TestServer};
use tempfile::TempDir;

/// A `malote-server` with a web listener and a data directory of its own. Both are gone when it is dropped.
pub struct WebServer {
    running: Option<Running>,
    address: String,
    pub url: String,
    data: TempDir,
}

impl WebServer {
    pub fn start() -> WebServer {
        let data = tempfile::tempdir().expect("a folder for the server's data");
        let (running, address, url) = run("127.0.0.1:0", "127.0.0.1:0", data.path());
        WebServer { running: Some(running), address, url, data }
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        let running = self.running.take().expect("the server runs");
        running.signal("TERM");
        running.wait().expect_status(0);
    }

    /// Starts it again, at the same addresses and with the same data.
    pub fn restart(&mut self) {
        let web = self.url.trim_start_matches("http://").trim_end_matches('/');
        let (running, address, url) = malote_tests::wait_for("the same server", || {
            // A port that was free a moment ago may serve somebody's outgoing connection meanwhile.
            try_run(&self.address, web, self.data.path())
        });
        assert_eq!((address, url), (self.address.clone(), self.url.clone()));
        self.running = Some(running);
    }

    /// Somebody at the command line whom the server does not know yet.
    pub fn cli(&self) -> Cli {
        Cli::at(&self.address)
    }
}

fn run(address: &str, web: &str, data: &Path) -> (Running, String, String) {
    try_run(address, web, data).expect("malote-server starts")
}

fn try_run(address: &str, web: &str, data: &Path) -> Option<(Running, String, String)> {
    let data = data.to_str().expect("a path in UTF-8");
    let mut running = Running::start(&mut TestServer::command(&["--listen", address, "--web", web, "--data", data]));
    let line = running.line()?;
    let words: Vec<&str> = line.split(' ').collect();
    let ["malote-server", "ready", address, _, "web", url] = words[..] else { panic!("not a ready line: {line}") };
    Some((running, address.to_owned(), url.to_owned()))
}
