//! `malote-cli servers`: the servers on this computer and on the local network.

use std::time::Duration;

use malote_client::Discovery;
use malote_client::discovery::Search;
use malote_texts::Texts;

use crate::Failure;
use crate::output::Printer;

/// How long to listen. Servers answer a search within a second; a busy one may miss the first question.
const LISTEN: Duration = Duration::from_secs(3);

pub fn run(texts: &Texts, printer: &Printer) -> Result<(), Failure> {
    let discovery = Discovery::start(&Search::default(), || {});
    std::thread::sleep(LISTEN);
    let found = discovery.found();
    if found.is_empty() {
        return printer.remark(&texts.get("cli-none-found"));
    }
    found.iter().try_for_each(|server| printer.server(server))
}
