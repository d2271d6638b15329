//! What a trial counted.

use std::fmt;
use std::time::Duration;

/// What was counted, in the order in which it is told.
#[derive(Clone, Debug, Default)]
pub struct Figures(Vec<(&'static str, Figure)>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Figure {
    /// Added up over all rounds.
    Count(u64),
    /// The longest of all rounds counts.
    Longest(Duration),
    /// The most bytes of all rounds count.
    MostBytes(u64),
    /// The most of all rounds counts.
    Most(u64),
}

impl Figures {
    pub fn count(mut self, name: &'static str, count: u64) -> Figures {
        self.0.push((name, Figure::Count(count)));
        self
    }

    pub fn longest(mut self, name: &'static str, time: Duration) -> Figures {
        self.0.push((name, Figure::Longest(time)));
        self
    }

    pub fn most_bytes(mut self, name: &'static str, bytes: u64) -> Figures {
        self.0.push((name, Figure::MostBytes(bytes)));
        self
    }

    pub fn most(mut self, name: &'static str, count: u64) -> Figures {
        self.0.push((name, Figure::Most(count)));
        self
    }

    /// Adds what another round of the same trial has counted.
    pub fn add(&mut self, other: Figures) {
        for (name, figure) in other.0 {
            let Some((_, sum)) = self.0.iter_mut().find(|(known, _)| *known == name) else {
                self.0.push((name, figure));
                continue;
            };
            *sum = match (*sum, figure) {
                (Figure::Count(a), Figure::Count(b)) => Figure::Count(a + b),
                (Figure::Longest(a), Figure::Longest(b)) => Figure::Longest(a.max(b)),
                (Figure::Most(a), Figure::Most(b)) => Figure::Most(a.max(b)),
                (Figure::MostBytes(a), Figure::MostBytes(b)) => Figure::MostBytes(a.max(b)),
                (_, other) => other,
            };
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        for (place, (name, figure)) in self.0.iter().enumerate() {
            to.write_str(if place > 0 { ", " } else { "" })?;
            match figure {
                Figure::Count(count) | Figure::Most(count) => write!(to, "{name} {count}")?,
                Figure::MostBytes(bytes) => write!(to, "{name} {:.1} MB", *bytes as f64 / 1e6)?,
                Figure::Longest(time) => write!(to, "{name} {:.0} ms", time.as_secs_f64() * 1e3)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_add_up_and_the_worst_is_kept() {
        let round = |kills, slowest| {
            let figures = Figures::default().count("kills", kills).most("MiB", slowest);
            figures.longest("slowest start", Duration::from_millis(slowest)).most_bytes("memory", slowest * 100_000)
        };
        let mut all = round(50, 20);
        all.add(round(50, 15));
        assert_eq!(all.to_string(), "kills 100, MiB 20, slowest start 20 ms, memory 2.0 MB");
    }
}
