//! The window, measured by a program of its own, since only that knows how to draw: it prints one object of JSON for each
//! row, as [`Line`] says.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::report::{Chapter, Target, Unit};
use crate::stage::Stage;
use crate::stats::Spread;

/// The program, beside this one.
const PROGRAM: &str = "malote-window-bench";

/// What one line says, such as
/// `{"case":"first frame","unit":"time","values":[0.1,0.12],"target":"≤ 150 ms","met":true}`.
#[derive(Debug, PartialEq)]
struct Line {
    case: String,
    /// `time` in seconds, `memory` in bytes, `per-second` or `count`.
    unit: Unit,
    /// One for each round.
    values: Vec<f64>,
    /// The project's target for it and whether it was met, where there is one.
    target: Option<(String, bool)>,
}

pub fn run(stage: &Stage) -> Result<Chapter> {
    let mut chapter = Chapter::new("Window");
    chapter.explain("The window with an archive of its own, measured by itself; no other system takes part.");
    let program = stage.programs.join(PROGRAM);
    if !program.is_file() {
        chapter.left_out.push(format!("the window: {PROGRAM} is not built"));
        return Ok(chapter);
    }
    let output = Command::new(&program).arg("--rounds").arg(stage.rounds.to_string()).output()?;
    if !output.status.success() {
        bail!("{PROGRAM} fails ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Line { case, unit, values, target } = read(line).with_context(|| format!("{PROGRAM} says {line:?}"))?;
        let value = Spread::of(&values);
        if let (Some((text, met)), Some(value)) = (target, value) {
            let measured = unit.show(value.median);
            chapter.targets.push(Target { text: format!("{case} {text}"), measured, met: Some(met) });
        }
        chapter.row(&case, "malote", value, unit, None, String::new());
    }
    Ok(chapter)
}

fn read(line: &str) -> Result<Line> {
    let object: Value = serde_json::from_str(line).context("that is no JSON")?;
    let text = |key: &str| object.get(key).and_then(Value::as_str).with_context(|| format!("{key} is missing"));
    let unit = match text("unit")? {
        "time" => Unit::Time,
        "memory" => Unit::Memory,
        "per-second" => Unit::PerSecond,
        "count" => Unit::Count,
        unit => bail!("{unit} is no unit"),
    };
    let values = object.get("values").and_then(Value::as_array).context("values are missing")?;
    let values: Option<Vec<f64>> = values.iter().map(Value::as_f64).collect();
    let target = match object.get("met").and_then(Value::as_bool) {
        Some(met) => Some((text("target")?.to_owned(), met)),
        None => None,
    };
    Ok(Line { case: text("case")?.to_owned(), unit, values: values.context("a value is no number")?, target })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_and_without_a_target() {
        let line = r#"{"case":"first frame","unit":"time","values":[0.1,0.5],"target":"≤ 150 ms","met":true}"#;
        let expected = Line {
            case: "first frame".into(),
            unit: Unit::Time,
            values: vec![0.1, 0.5],
            target: Some(("≤ 150 ms".into(), true)),
        };
        assert_eq!(read(line).unwrap(), expected);
        let line = r#"{"case":"idle minute","unit":"count","values":[0]}"#;
        assert_eq!(read(line).unwrap().target, None);
    }

    #[test]
    fn lines_that_say_something_else_are_errors() {
        for line in
            ["", "{}", r#"{"case":"a","unit":"miles","values":[1]}"#, r#"{"case":"a","unit":"time","values":["1"]}"#]
        {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
