//! The log on standard error: each event on a line of its own, whoever's words are in it, and never what people say.

use std::io::{self, Write};

use malote_common::text;
use malote_server::config::LogFormat;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// The library that carries WebSocket messages, which writes down each of them where it is asked for much.
const CARRIER_OF_TEXTS: &str = "tungstenite";

/// Logs from now on, as much as `MALOTE_LOG` asks for.
pub fn start(format: LogFormat) {
    let wanted = EnvFilter::try_from_env("MALOTE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = match format {
        LogFormat::Text => fmt::layer().with_ansi(false).with_writer(|| OneLine).boxed(),
        LogFormat::Json => fmt::layer().json().with_writer(|| OneLine).boxed(),
    };
    // Beside what is wanted, so that nothing that somebody wants can switch it off.
    tracing_subscriber::registry().with(wanted).with(filter_fn(keeps_secrets)).with(lines).init();
}

fn keeps_secrets(event: &Metadata) -> bool {
    event.level() <= &Level::INFO || !event.target().starts_with(CARRIER_OF_TEXTS)
}

/// Writes an event, which comes whole, as one line: what strangers have made a library say cannot look like a line of ours.
struct OneLine;

impl Write for OneLine {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(one_line(event).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn one_line(event: &[u8]) -> String {
    let text = String::from_utf8_lossy(event);
    let mut line = text::escaped(text.strip_suffix('\n').unwrap_or(&text));
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_makes_two_lines_of_one_event() {
        assert_eq!(one_line("INFO olá\n".as_bytes()), "INFO olá\n");
        assert_eq!(one_line(b"INFO a\nINFO logged in\x1b[2K\xff\n"), "INFO a\\u000aINFO logged in\\u001b[2K\u{fffd}\n");
    }
}
