//! What keeps messages from coming and going, and what can be done about it.

use eframe::egui::{Frame, Label, Margin, RichText, Ui};
use malote_client::{Problem, Status, explain};
use malote_texts::Texts;

use super::View;
use crate::action::Action;
use crate::model::Model;
use crate::theme;

/// A sentence over the whole width, with what can be done.
#[derive(Debug, PartialEq, Eq)]
pub struct Banner {
    pub sentence: String,
    pub question: Option<String>,
    pub action: Option<Action>,
    /// Whether testing the connection step by step tells more.
    pub diagnose: bool,
}

impl Banner {
    /// What there is to say, if anything.
    pub fn of(model: &Model, texts: &Texts) -> Option<Banner> {
        if let Some(trouble) = &model.trouble {
            return Some(Banner { sentence: trouble.clone(), question: None, action: None, diagnose: false });
        }
        let (problem, stopped) = match &model.status {
            Status::Waiting { problem, .. } => (problem, false),
            Status::Stopped { problem } => (problem, true),
            Status::Connecting | Status::Online { .. } => return None,
        };
        let action = match problem {
            Problem::KeyChanged { found, .. } if model.asked_trust => Action::Trust(*found),
            Problem::KeyChanged { .. } => Action::AskTrust,
            _ => Action::ConnectNow,
        };
        let asked = stopped && matches!(action, Action::Trust(_));
        Some(Banner {
            sentence: explain::problem(problem, &model.server, texts),
            question: asked.then(|| texts.get("trust-question")),
            action: Some(action),
            diagnose: model.checkup.is_none()
                && !matches!(problem, Problem::KeyChanged { .. } | Problem::Closed(_) | Problem::Disk(_)),
        })
    }

    pub fn show(self, ui: &mut Ui, view: &mut View) {
        let palette = theme::palette(ui);
        let buttons = match (&self.action, self.diagnose) {
            (None, _) => 0.0,
            (Some(_), false) => theme::BANNER_BUTTON,
            (Some(_), true) => theme::BANNER_BUTTONS,
        };
        let width = ui.available_width() - buttons;
        ui.spacing_mut().interact_size.y = theme::BUTTON_HEIGHT;
        ui.horizontal(|ui| {
            ui.vertical(|ui| {
                ui.set_width(width);
                for sentence in [Some(self.sentence), self.question].into_iter().flatten() {
                    ui.add(Label::new(RichText::new(sentence).color(palette.on_notice)).wrap());
                }
            });
            if let Some(action) = self.action {
                view.button(ui, action);
            }
            if self.diagnose {
                view.button(ui, Action::Diagnose);
            }
        });
    }
}

pub fn frame(ui: &Ui) -> Frame {
    Frame::new().fill(theme::palette(ui).notice).inner_margin(Margin::symmetric(14, 8))
}
