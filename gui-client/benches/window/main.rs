//! Measures the window: how soon it can be seen, what it costs while nothing happens and while it is scrolled, and how
//! long searching takes, with as many messages as somebody may have after years.
//!
//! `cargo bench -p malote --bench window` prints one JSON object for each measure. With `-- --quick` there are fewer
//! messages, and the parts are left out that need a display and a minute of rest.

mod frames;
mod letters;
mod real;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use malote_client::archive::Query;
use malote_client::{Profile, Reader, ServerAddress};
use serde_json::json;

use letters::Library;

/// Messages in the archive.
const COUNT: u64 = 100_000;
const QUICK_COUNT: u64 = 10_000;

/// Messages that are kept with one commit where many have waited: what a client reads at once.
const COMMIT: usize = 500;

/// How often each search is made.
const SEARCHES: usize = 20;

/// Messages that a list shows at once: the first of those found are read for it.
const IN_VIEW: usize = 12;

/// Nobody listens there; the window says so and goes on.
const NOWHERE: &str = "127.0.0.1:9";

fn main() -> Result<()> {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let count = if is_quick { QUICK_COUNT } else { COUNT };
    let home = tempfile::tempdir()?;
    let server: ServerAddress = NOWHERE.parse().context("an address")?;
    let library = Library::of(count);

    let profile = Profile::open_in(home.path(), Some("bench"))?;
    let start = Instant::now();
    library.fill(&profile, &server, COMMIT)?;
    report("taking in what waited", start.elapsed().as_secs_f64(), "s", None);
    let archive = profile.archive();
    report("archive on disk", std::fs::metadata(&archive)?.len() as f64 / 1e6, "MB", None);

    lists(&archive, &server)?;
    search(&archive, &server, &library)?;
    let profile = frames::measure(profile, &server)?;
    drop(profile);
    if is_quick {
        return Ok(());
    }
    real::measure(home.path())
}

/// The questions that the window asks of the archive when it opens, and about what comes.
fn lists(archive: &Path, server: &ServerAddress) -> Result<()> {
    use malote_client::archive::Shelf;
    let reader = Reader::open(archive, &server.to_string())?;
    let questions: [(&str, &dyn Fn() -> Result<usize>); 4] = [
        ("rows of the inbox", &|| Ok(reader.rows(Shelf::Inbox, 0)?.len())),
        ("rows of what was sent", &|| Ok(reader.sent_rows()?.len())),
        ("unread in the inbox", &|| Ok(reader.unread(Shelf::Inbox)?)),
        ("unread in each room", &|| Ok(reader.rooms()?.len())),
    ];
    for (name, question) in questions {
        let times = (0..SEARCHES).map(|_| timed(question)).collect::<Result<Vec<_>>>()?;
        report(&format!("archive, {name}, median"), milliseconds(percentile(times, 50)), "ms", None);
    }
    Ok(())
}

fn search(archive: &Path, server: &ServerAddress, library: &Library) -> Result<()> {
    let reader = Reader::open(archive, &server.to_string())?;
    let kinds = BTreeMap::from([
        ("rarest word", library.rarest()),
        ("commonest word", library.commonest()),
        ("absent word", "xilofone".to_owned()),
        ("one letter", "c".to_owned()),
        ("three letters, each one's own word", "c m p".to_owned()),
        ("common and rare word", format!("{} {}", library.commonest(), library.rarest())),
        ("beginning of many words", "cama".to_owned()),
    ]);
    for (kind, typed) in kinds {
        let query = Query::parse(&typed);
        let one = || -> Result<usize> {
            let hits = reader.search(&query)?.hits;
            for hit in hits.iter().take(IN_VIEW) {
                black_box(reader.found(*hit, &query)?);
            }
            Ok(hits.len())
        };
        let times = (0..SEARCHES).map(|_| timed(&one)).collect::<Result<Vec<_>>>()?;
        report(&format!("search, {kind}, slowest"), milliseconds(percentile(times, 100)), "ms", Some(30.0));
    }
    Ok(())
}

fn timed(question: &dyn Fn() -> Result<usize>) -> Result<Duration> {
    let start = Instant::now();
    black_box(question()?);
    Ok(start.elapsed())
}

/// The value below which so many of a hundred lie.
fn percentile(mut values: Vec<Duration>, percent: usize) -> Duration {
    values.sort_unstable();
    let index = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(index).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// One line. Where there is a target, the value must not be greater.
fn report(measure: &str, value: f64, unit: &str, target: Option<f64>) {
    println!(
        "{}",
        json!({ "measure": measure, "value": (value * 1000.0).round() / 1000.0, "unit": unit, "target": target })
    );
}
