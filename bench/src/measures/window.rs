//! The window, measured by its own bench, since only that knows how to draw: it prints one object of JSON for each row.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::progress;
use crate::report::{Chapter, Target, Unit};
use crate::stats::Spread;

/// What one line says, such as `{"measure":"first frame","value":98.5,"unit":"ms","target":150.0}`.
#[derive(Debug, PartialEq, Deserialize)]
struct Line {
    measure: String,
    value: f64,
    unit: String,
    /// What the value must not be above, in the same unit.
    target: Option<f64>,
}

pub fn run() -> Result<Chapter> {
    let mut chapter = Chapter::new("Window");
    chapter.explain(
        "The window with an archive of 100,000 messages, in its release build on a display without a graphics card \
         (Xvfb, Mesa's llvmpipe): `cargo bench -p malote --bench window`. No other system takes part.",
    );
    progress("building the window, which takes some minutes the first time");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["bench", "--quiet", "--package", "malote", "--bench", "window"])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be started")?;
    if !output.status.success() {
        bail!("the window's bench fails ({})", output.status);
    }
    for line in String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.starts_with('{')) {
        let line: Line = serde_json::from_str(line).with_context(|| format!("the window's bench says {line:?}"))?;
        add(&mut chapter, &line)?;
    }
    Ok(chapter)
}

fn add(chapter: &mut Chapter, line: &Line) -> Result<()> {
    let (unit, factor) = match line.unit.as_str() {
        "s" => (Unit::Time, 1.0),
        "ms" => (Unit::Time, 1e-3),
        "MB" => (Unit::Memory, 1e6),
        "ticks" => (Unit::Count, 1.0),
        other => bail!("{other} is no unit"),
    };
    let value = line.value * factor;
    if let Some(target) = line.target.map(|target| target * factor) {
        let text = format!("{}: at most {}", line.measure, unit.show(target));
        chapter.targets.push(Target { text, measured: unit.show(value), met: Some(value <= target) });
    }
    chapter.row(&line.measure, "Malote", Spread::of(&[value]), unit, None, String::new());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(line: &str) -> Result<Chapter> {
        let mut chapter = Chapter::new("Window");
        add(&mut chapter, &serde_json::from_str(line)?)?;
        Ok(chapter)
    }

    #[test]
    fn lines_with_and_without_a_target() {
        let chapter = added(r#"{"measure":"first frame","value":98.5,"unit":"ms","target":150.0}"#).unwrap();
        assert_eq!(chapter.targets[0].met, Some(true));
        let chapter = added(r#"{"measure":"an idle minute","value":1,"unit":"ticks","target":0}"#).unwrap();
        assert_eq!(chapter.targets[0].met, Some(false));
        let chapter = added(r#"{"measure":"memory","value":50,"unit":"MB","target":null}"#).unwrap();
        assert_eq!((chapter.rows[0].value.median, chapter.targets.len()), (50e6, 0));
    }

    #[test]
    fn lines_that_say_something_else_are_errors() {
        for line in ["{}", r#"{"measure":"a","value":1,"unit":"miles"}"#, r#"{"measure":"a","value":"1","unit":"s"}"#] {
            assert!(added(line).is_err(), "{line}");
        }
    }
}
