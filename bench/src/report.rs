//! What a run found, as Markdown.

use std::fmt::Write;

use crate::stats::Spread;

/// The heading of the ratios.
const USUAL_RATIOS: &str = "Malote plaintext ÷ it";

/// What one measure found.
#[derive(Clone, Debug, Default)]
pub struct Chapter {
    pub title: String,
    /// What was measured and how, in sentences.
    pub explanation: Vec<String>,
    pub rows: Vec<Row>,
    pub targets: Vec<Target>,
    /// What could not be measured, and why.
    pub left_out: Vec<String>,
    /// What the ratios of its rows are, as the column's heading; empty for the usual one.
    pub ratios: String,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    pub case: String,
    pub system: String,
    pub value: Spread,
    pub unit: Unit,
    /// How many times this row's value Malote's without TLS is, in the same rounds; or what the chapter says.
    pub ratio: Option<Spread>,
    pub remark: String,
}

/// What values are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    PerSecond,
    /// Values are in seconds.
    Time,
    /// Values are in bytes.
    Memory,
    Count,
}

/// A target of the project, and whether it was met.
#[derive(Clone, Debug)]
pub struct Target {
    pub text: String,
    pub measured: String,
    /// Nothing where it could not be measured.
    pub met: Option<bool>,
}

impl Chapter {
    pub fn new(title: &str) -> Chapter {
        Chapter { title: title.to_owned(), ..Chapter::default() }
    }

    /// Adds a row, where there is a value at all.
    pub fn row(
        &mut self,
        case: &str,
        system: impl ToString,
        value: Option<Spread>,
        unit: Unit,
        ratio: Option<Spread>,
        remark: String,
    ) {
        if let Some(value) = value {
            let (case, system) = (case.to_owned(), system.to_string());
            self.rows.push(Row { case, system, value, unit, ratio, remark });
        }
    }

    /// Adds a sentence on what was measured and how.
    pub fn explain(&mut self, sentence: impl Into<String>) {
        self.explanation.push(sentence.into());
    }
}

impl Target {
    /// A target for a ratio that must be at least `least` at the median.
    pub fn at_least(text: String, ratio: Option<Spread>, least: f64) -> Target {
        Target { text, measured: ratio.map_or_else(String::new, times), met: ratio.map(|ratio| ratio.median >= least) }
    }

    /// A target for a value that must be at most `most` at the median.
    pub fn at_most(text: String, value: Option<Spread>, unit: Unit, most: f64) -> Target {
        let measured = value.map_or_else(String::new, |value| unit.show(value.median));
        Target { text, measured, met: value.map(|value| value.median <= most) }
    }
}

fn times(ratio: Spread) -> String {
    format!("{:.2} × ({:.2} – {:.2})", ratio.median, ratio.least, ratio.greatest)
}

/// The whole report. `facts` are lines about the machine, the versions and the run.
pub fn write(facts: &[String], chapters: &[Chapter]) -> String {
    let mut text = String::from("# Benchmark\n\n`cargo bench-all` wrote this file.\n\n");
    for fact in facts {
        let _ = writeln!(text, "- {fact}");
    }
    write_targets(&mut text, chapters);
    for chapter in chapters {
        write_chapter(&mut text, chapter);
    }
    text
}

fn write_targets(text: &mut String, chapters: &[Chapter]) {
    if chapters.iter().all(|chapter| chapter.targets.is_empty()) {
        return;
    }
    text.push_str("\n## Targets\n\n| measure | target | measured | |\n| --- | --- | --- | --- |\n");
    for chapter in chapters {
        for Target { text: target, measured, met } in &chapter.targets {
            let met = match met {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "not measured",
            };
            let _ = writeln!(text, "| {} | {target} | {measured} | {met} |", chapter.title);
        }
    }
}

fn write_chapter(text: &mut String, chapter: &Chapter) {
    let _ = write!(text, "\n## {}\n\n{}\n", chapter.title, chapter.explanation.join(" "));
    for reason in &chapter.left_out {
        let _ = write!(text, "\nLeft out: {reason}\n");
    }
    if chapter.rows.is_empty() {
        return;
    }
    let ratios = if chapter.ratios.is_empty() { USUAL_RATIOS } else { &chapter.ratios };
    let _ = writeln!(text, "\n| case | system | median | least – greatest | {ratios} | |");
    text.push_str("| --- | --- | ---: | ---: | ---: | --- |\n");
    for row in &chapter.rows {
        let Row { case, system, value, unit, ratio, remark } = row;
        let Spread { median, least, greatest } = *value;
        let ratio = ratio.map_or(String::new(), |ratio| format!("{:.2}", ratio.median));
        let span = format!("{} – {}", unit.show(least), unit.show(greatest));
        let _ = writeln!(text, "| {case} | {system} | {} | {span} | {ratio} | {remark} |", unit.show(median));
    }
}

impl Unit {
    pub fn show(self, value: f64) -> String {
        match self {
            Unit::PerSecond => format!("{}/s", grouped(value)),
            Unit::Count => grouped(value),
            Unit::Time if value < 1e-3 => format!("{:.0} µs", value * 1e6),
            Unit::Time if value < 1.0 => format!("{:.2} ms", value * 1e3),
            Unit::Time => format!("{value:.2} s"),
            Unit::Memory if value < 1024.0 * 1024.0 => format!("{:.1} KiB", value / 1024.0),
            Unit::Memory => format!("{:.1} MiB", value / 1024.0 / 1024.0),
        }
    }
}

/// A whole number with its thousands apart.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_units_that_fit_them() {
        assert_eq!(Unit::PerSecond.show(1_234_567.4), "1,234,567/s");
        assert_eq!(Unit::PerSecond.show(999.6), "1,000/s");
        assert_eq!(Unit::PerSecond.show(100.0), "100/s");
        assert_eq!(Unit::Count.show(0.0), "0");
        assert_eq!(Unit::Time.show(0.000_193), "193 µs");
        assert_eq!(Unit::Time.show(0.0125), "12.50 ms");
        assert_eq!(Unit::Time.show(3.0), "3.00 s");
        assert_eq!(Unit::Memory.show(5_530.0), "5.4 KiB");
    }

    #[test]
    fn a_report_has_targets_first_and_then_the_chapters() {
        let mut chapter = Chapter::new("Throughput");
        chapter.explain("Senders.");
        let spread = |median| Spread { median, least: 1.0, greatest: 3000.0 };
        chapter.rows.push(Row {
            case: "32 pairs".into(),
            system: "relay".into(),
            value: spread(2000.0),
            unit: Unit::PerSecond,
            ratio: Some(spread(0.5)),
            remark: "".into(),
        });
        chapter.targets.push(Target { text: "fast".into(), measured: "slow".into(), met: Some(false) });
        chapter.targets.push(Target { text: "small".into(), measured: "".into(), met: None });
        chapter.left_out.push("chat: no Python".into());
        let text = write(&["A machine".into()], &[chapter]);
        let places: Vec<usize> = [
            "- A machine",
            "| Throughput | fast | slow | **missed** |",
            "| Throughput | small |  | not measured |",
            "## Throughput",
            "Left out: chat: no Python",
            "| 32 pairs | relay | 2,000/s | 1/s – 3,000/s | 0.50 |  |",
        ]
        .into_iter()
        .map(|line| text.find(line).unwrap_or_else(|| panic!("{line} is not in {text}")))
        .collect();
        assert!(places.is_sorted());
    }
}
