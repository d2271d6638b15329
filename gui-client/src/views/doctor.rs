//! The page "Não consigo conectar": every step from the typed address to the server, with what to do where one fails.

use eframe::egui::{Frame, Label, RichText, ScrollArea, Sense, Ui, Vec2};
use malote_client::doctor::{Checked, Outcome, STEPS, Step};
use malote_client::{Checkup, ServerAddress, explain};
use malote_texts::Texts;

use super::View;
use crate::action::Action;
use crate::theme;

/// What the page says.
#[derive(Debug, PartialEq, Eq)]
pub struct DoctorPage {
    pub summary: String,
    pub lines: Vec<Line>,
    /// All steps are done.
    pub complete: bool,
}

/// A step.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub title: String,
    pub state: Mark,
    pub detail: String,
}

/// How it stands with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Passed,
    Failed,
    NotReached,
    UnderWay,
    Waiting,
}

impl DoctorPage {
    pub fn of(checkup: &Checkup, texts: &Texts) -> DoctorPage {
        DoctorPage::from_steps(checkup.done(), &checkup.address, texts)
    }

    fn from_steps(done: &[Checked], server: &ServerAddress, texts: &Texts) -> DoctorPage {
        let line = |(index, step): (usize, Step)| {
            let checked: Option<&Checked> = done.get(index);
            let state = match checked.map(|checked| &checked.outcome) {
                Some(Outcome::Passed(_)) => Mark::Passed,
                Some(Outcome::Failed(_)) => Mark::Failed,
                Some(Outcome::NotReached) => Mark::NotReached,
                None if index == done.len() => Mark::UnderWay,
                None => Mark::Waiting,
            };
            let detail = checked.map(|checked| explain::outcome(&checked.outcome, server, texts));
            Line { title: explain::step(step, texts), state, detail: detail.unwrap_or_default() }
        };
        let complete = done.len() == STEPS.len();
        let failed = done.iter().any(|checked| matches!(checked.outcome, Outcome::Failed(_)));
        let summary = match (failed, complete) {
            (true, _) => "doctor-something-failed",
            (false, true) => "doctor-all-passed",
            (false, false) => "doctor-under-way",
        };
        DoctorPage {
            summary: texts.with(summary, &[("server", server.to_string().into())]),
            lines: STEPS.into_iter().enumerate().map(line).collect(),
            complete,
        }
    }

    pub fn show(self, ui: &mut Ui, view: &mut View) {
        super::column(ui, |ui| {
            ui.label(RichText::new(view.texts.get("doctor-title")).font(theme::title_font()));
            ui.add(Label::new(self.summary).wrap());
            ui.add_space(theme::SMALL);
            let buttons = theme::BUTTON_HEIGHT + 2.0 * theme::WIDE;
            let height = (ui.available_height() - buttons).max(theme::BODY_MIN);
            ScrollArea::vertical().id_salt("steps").max_height(height).auto_shrink([false, true]).show(ui, |ui| {
                self.lines.iter().for_each(|line| step(ui, line, view.texts));
            });
            ui.add_space(theme::SMALL);
            ui.horizontal(|ui| {
                view.main_button(ui, Action::DiagnoseAgain, self.complete);
                view.button(ui, Action::ChangeServer);
                view.button(ui, Action::CloseDiagnosis);
            });
        });
    }
}

fn step(ui: &mut Ui, line: &Line, texts: &Texts) {
    let palette = theme::palette(ui);
    let (color, state) = match line.state {
        Mark::Passed => (palette.good, "doctor-passed"),
        Mark::Failed => (palette.bad, "doctor-failed"),
        Mark::NotReached => (palette.weak, "doctor-skipped"),
        Mark::UnderWay => (palette.accent, "doctor-testing"),
        Mark::Waiting => (palette.weak, "doctor-waiting"),
    };
    let frame = Frame::new().fill(palette.paper).corner_radius(theme::CARD_RADIUS).inner_margin(theme::CARD_MARGIN);
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = theme::SMALL;
        ui.horizontal(|ui| {
            let (dot, _) = ui.allocate_exact_size(Vec2::splat(3.0 * theme::DOT), Sense::hover());
            ui.painter().circle_filled(dot.center(), theme::DOT, color);
            ui.label(RichText::new(&line.title).font(theme::bold_font()));
            ui.label(RichText::new(texts.get(state)).color(color));
        });
        // What only waits for its turn has nothing to say, and what was skipped says so above.
        if !line.detail.is_empty() && line.state != Mark::NotReached {
            let weak = line.state == Mark::Passed;
            let detail = RichText::new(&line.detail).color(if weak { palette.weak } else { palette.text });
            ui.add(Label::new(detail).wrap().selectable(true));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use malote_client::connection::Fault;
    use malote_client::doctor::Detail;
    use malote_texts::Language;

    fn page(outcomes: Vec<Outcome>, server: &str) -> DoctorPage {
        let done: Vec<Checked> =
            STEPS.into_iter().zip(outcomes).map(|(step, outcome)| Checked { step, outcome }).collect();
        DoctorPage::from_steps(&done, &server.parse().unwrap(), &Texts::new(Language::Portuguese))
    }

    fn states(page: &DoctorPage) -> Vec<Mark> {
        page.lines.iter().map(|line| line.state).collect()
    }

    #[test]
    fn steps_are_shown_as_they_come() {
        let page = page(vec![Outcome::Passed(Detail::IsAddress)], "10.0.0.5");
        assert_eq!(states(&page)[..3], [Mark::Passed, Mark::UnderWay, Mark::Waiting]);
        assert!(!page.complete && page.summary.starts_with("Testando"), "{page:?}");
    }

    #[test]
    fn a_refusal_elsewhere_speaks_of_lan_and_one_here_does_not() {
        let refused = |server| {
            let passed = [Detail::IsAddress, Detail::Leaves([10, 0, 0, 2].into())].map(Outcome::Passed);
            let rest = [Outcome::Failed(Fault::Refused), Outcome::NotReached, Outcome::NotReached, Outcome::NotReached];
            page(passed.into_iter().chain(rest).collect(), server)
        };
        let elsewhere = refused("10.0.0.5");
        assert!(elsewhere.lines[2].detail.contains("--lan"), "{elsewhere:?}");
        assert!(elsewhere.complete && elsewhere.summary.contains("não chega"), "{elsewhere:?}");
        assert_eq!(states(&elsewhere)[2..4], [Mark::Failed, Mark::NotReached]);
        assert!(!refused("127.0.0.1").lines[2].detail.contains("--lan"));
    }

    #[test]
    fn every_fault_has_a_sentence_in_every_language() {
        let faults = [
            Fault::UnknownHost,
            Fault::NoRoute,
            Fault::HostUnreachable,
            Fault::Refused,
            Fault::NoAnswer,
            Fault::NotTls,
            Fault::HungUp,
            Fault::Silent,
            Fault::OtherProtocol,
            Fault::OtherVersion,
        ];
        for language in [Language::Portuguese, Language::English] {
            let texts = Texts::new(language);
            let server = "casa:5".parse().unwrap();
            for fault in faults {
                let said = explain::outcome(&Outcome::Failed(fault), &server, &texts);
                assert!(!said.contains(['⟨', '{']), "{fault:?}: {said}");
            }
            assert!(STEPS.iter().all(|step: &Step| !explain::step(*step, &texts).contains('⟨')));
        }
    }
}
