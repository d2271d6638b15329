//! Curves as SVG: small, the same for the same values, and readable on light and on dark pages.
//!
//! The horizontal axis is logarithmic and the vertical one linear from zero, so that what grows logarithmically is a
//! straight line.

use std::fmt::Write;

use crate::report::Unit;
use crate::stats::Spread;

/// Pixels of one panel, and of what lies around its axes.
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 44.0;

/// Greys and a blue that have enough contrast with white and with near-black.
const TEXT: &str = "#7d7d7d";
const GRID: &str = "#80808040";
const CURVE: &str = "#3987e5";

/// Lines across a panel, the axis among them.
const STEPS: usize = 4;

/// One quantity against what grows.
pub struct Panel {
    pub title: String,
    pub unit: Unit,
    /// In rising order. A zero stands one decade before the first of the others.
    pub points: Vec<(f64, Spread)>,
}

/// Panels beside each other; `across` says what grows.
pub fn draw(across: &str, panels: &[Panel]) -> String {
    let width = WIDTH * panels.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" width=\"{width}\" height=\"{HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"{TEXT}\">\n"
    );
    for (index, panel) in panels.iter().enumerate() {
        let _ = writeln!(svg, "<g transform=\"translate({} 0)\">", WIDTH * index as f64);
        panel.draw(across, &mut svg);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

impl Panel {
    fn draw(&self, across: &str, svg: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let middle = (LEFT + right) / 2.0;
        let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"18\" font-weight=\"bold\">{}</text>", escaped(&self.title));
        let _ = writeln!(
            svg,
            "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 8.0,
            escaped(across)
        );
        let greatest = self.points.iter().map(|(_, value)| value.greatest).fold(0.0, f64::max);
        let step = round_step(greatest / STEPS as f64, self.unit);
        let top = step * STEPS as f64;
        let y = |value: f64| bottom - value / top * (bottom - TOP);
        for line in 0..=STEPS {
            let value = step * line as f64;
            let at = y(value);
            let _ = writeln!(svg, "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"{GRID}\"/>");
            let label = self.unit.show(value);
            let _ =
                writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", LEFT - 8.0, at + 4.0);
        }
        let places = places(&self.points.iter().map(|(place, _)| *place).collect::<Vec<f64>>());
        let x = |place: f64| LEFT + 10.0 + place * (right - LEFT - 20.0);
        let mut line = String::new();
        for ((number, value), place) in self.points.iter().zip(places) {
            let (at, median) = (x(place), y(value.median));
            let _ = write!(line, "{}{at:.1} {median:.1}", if line.is_empty() { "M" } else { "L" });
            let (least, greatest) = (y(value.least), y(value.greatest));
            let _ = writeln!(
                svg,
                "<path d=\"M{at:.1} {least:.1}V{greatest:.1}\" stroke=\"{CURVE}\" stroke-opacity=\".5\"/>"
            );
            let _ = writeln!(svg, "<circle cx=\"{at:.1}\" cy=\"{median:.1}\" r=\"3.5\" fill=\"{CURVE}\"/>");
            let label = short(*number);
            let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", bottom + 18.0);
        }
        let _ = writeln!(svg, "<path d=\"{line}\" fill=\"none\" stroke=\"{CURVE}\" stroke-width=\"2\"/>");
    }
}

/// Where on a logarithmic axis these rising numbers are, from 0 to 1.
fn places(numbers: &[f64]) -> Vec<f64> {
    let first = numbers.iter().copied().find(|number| *number > 0.0).unwrap_or(1.0);
    let logarithms: Vec<f64> =
        numbers.iter().map(|number| if *number > 0.0 { number.log10() } else { first.log10() - 1.0 }).collect();
    let (Some(least), Some(greatest)) = (logarithms.first(), logarithms.last()) else { return Vec::new() };
    let span = if greatest > least { greatest - least } else { 1.0 };
    logarithms.iter().map(|logarithm| (logarithm - least) / span).collect()
}

/// The next number of 1, 2, 2.5 or 5 times a power of ten, or in mebibytes of it, that is not below `step`.
fn round_step(step: f64, unit: Unit) -> f64 {
    const MEBIBYTE: f64 = 1024.0 * 1024.0;
    let whole = if unit == Unit::Memory { MEBIBYTE } else { 1.0 };
    let step = if step > 0.0 { step / whole } else { 1.0 };
    let power = 10f64.powf(step.log10().floor());
    let digits = [1.0, 2.0, 2.5, 5.0].into_iter().find(|digits| digits * power >= step * 0.999_999).unwrap_or(10.0);
    digits * power * whole
}

/// A number as short as it can be said.
fn short(number: f64) -> String {
    match number {
        0.0..1e3 => format!("{number:.0}"),
        1e3..1e6 => format!("{}k", number / 1e3),
        _ => format!("{}M", number / 1e6),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(numbers: &[f64]) -> Panel {
        let point = |number: &f64| (*number, Spread { median: 70.0, least: 60.0, greatest: 80.0 });
        Panel { title: "a < b & c".into(), unit: Unit::PerSecond, points: numbers.iter().map(point).collect() }
    }

    #[test]
    fn numbers_stand_at_their_logarithms_and_nothing_a_decade_before() {
        assert_eq!(places(&[100.0, 10_000.0, 1_000_000.0]), [0.0, 0.5, 1.0]);
        assert_eq!(places(&[0.0, 10.0, 100.0]), [0.0, 0.5, 1.0]);
        assert_eq!(places(&[5.0]), [0.0]);
        assert_eq!(places(&[]), [0.0; 0]);
    }

    #[test]
    fn steps_are_numbers_that_people_count_in() {
        assert_eq!(round_step(19.0, Unit::PerSecond), 20.0);
        assert_eq!(round_step(20.0, Unit::PerSecond), 20.0);
        assert_eq!(round_step(2_100.0, Unit::PerSecond), 2_500.0);
        assert_eq!(round_step(60.0, Unit::PerSecond), 100.0);
        assert_eq!(round_step(3.0 * 1024.0 * 1024.0, Unit::Memory), 5.0 * 1024.0 * 1024.0);
        assert_eq!(round_step(0.0, Unit::PerSecond), 1.0);
    }

    #[test]
    fn a_chart_has_every_point_and_nothing_outside_of_its_picture() {
        let svg = draw("people", &[panel(&[0.0, 100_000.0, 1e6, 1e7]), panel(&[10.0])]);
        assert_eq!(svg.matches("<circle").count(), 5);
        assert!(svg.contains("a &lt; b &amp; c") && svg.contains(">100k<") && svg.contains(">10M<"), "{svg}");
        for number in svg.split("cx=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!((LEFT..=WIDTH - RIGHT).contains(&number.parse().unwrap()), "{number}");
        }
        assert_eq!(svg, draw("people", &[panel(&[0.0, 100_000.0, 1e6, 1e7]), panel(&[10.0])]));
    }
}
