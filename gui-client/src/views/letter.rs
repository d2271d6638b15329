//! A message that is open for reading, or one that was sent with what became of it.

use eframe::egui::{Align, Frame, Id, Label, Layout, Margin, RichText, ScrollArea, Ui, vec2};
use malote_client::archive::{Letter, Recipient, Sent, State};
use malote_client::explain;
use malote_common::text;

use super::{View, long_text, row};
use crate::action::Action;
use crate::model::{Model, Opened};
use crate::theme;

pub fn show(ui: &mut Ui, model: &Model, view: &mut View) {
    Frame::new().inner_margin(Margin::symmetric(14, 10)).show(ui, |ui| match &model.open {
        Some(Opened::Letter(letter)) => received(ui, letter, model, view),
        Some(Opened::Sent(sent)) => self::sent(ui, sent, view),
        None => {}
    });
}

fn received(ui: &mut Ui, letter: &Letter, model: &Model, view: &mut View) {
    let damaged = |key| letter.damaged.then(|| view.texts.get(key));
    let (subject, notice) = (damaged("damaged-subject"), damaged("damaged-body"));
    head(ui, subject.as_ref().unwrap_or(&letter.subject), Action::Reply, view);
    let palette = theme::palette(ui);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = theme::SMALL;
        let from = if letter.mine { view.texts.get("you") } else { model.author(&letter.from, letter.number) };
        ui.label(RichText::new(from).font(theme::bold_font()));
        if !letter.to.is_empty() {
            let to = format!("{} {}", view.texts.get("letter-to").to_lowercase(), text::harmless_line(&letter.to));
            ui.label(RichText::new(to).color(palette.weak));
        }
        let time = format!("· {}", view.clock.full(letter.accepted_at, view.texts));
        ui.label(RichText::new(time).color(palette.weak));
    });
    body(ui, ("letter", letter.row), notice.as_ref().unwrap_or(&letter.body), |_| {});
}

fn sent(ui: &mut Ui, sent: &Sent, view: &mut View) {
    let refused = sent.recipients.iter().any(|recipient| matches!(recipient.state, State::Refused { .. }));
    let action = if refused { Action::EditAgain } else { Action::Close };
    head(ui, &sent.subject, action, view);
    let time = RichText::new(view.clock.full(sent.sent_at, view.texts)).color(theme::palette(ui).weak);
    ui.label(time);
    body(ui, ("sent", sent.row), &sent.body, |ui| {
        sent.recipients.iter().for_each(|recipient| outcome(ui, recipient, view));
        ui.separator();
    });
}

/// What became of a message for one recipient, with the reason where there is one.
fn outcome(ui: &mut Ui, recipient: &Recipient, view: &View) {
    let mut state = explain::state(&recipient.state, view.texts);
    if let State::Delivered { at, .. } | State::Read { at, .. } = &recipient.state {
        let time = view.clock.short(*at, view.texts);
        state = view.texts.with("state-at", &[("state", state.into()), ("time", time.into())]);
    }
    if let Some(reason) = explain::reason(&recipient.state, view.texts) {
        state = format!("{state}: {reason}");
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = theme::SMALL;
        ui.label(RichText::new(&recipient.address).font(theme::bold_font()));
        ui.label(RichText::new(state).color(color(&recipient.state, ui)));
    });
}

fn color(state: &State, ui: &Ui) -> eframe::egui::Color32 {
    let palette = theme::palette(ui);
    match state {
        State::Queued { .. } | State::Accepted { .. } => palette.weak,
        State::Delivered { .. } | State::Read { .. } => palette.good,
        State::Refused { .. } => palette.bad,
    }
}

fn head(ui: &mut Ui, subject: &str, action: Action, view: &mut View) {
    let size = vec2(ui.available_width(), theme::BUTTON_HEIGHT);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        if action != Action::Close {
            view.quiet_button(ui, Action::Close);
        }
        view.button(ui, action);
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let subject = RichText::new(row::subject(subject, view.texts)).font(theme::title_font());
            ui.add(Label::new(subject).truncate());
        });
    });
}

/// The text of a message, behind what else there is to read.
fn body(ui: &mut Ui, id: (&str, i64), body: &str, before: impl FnOnce(&mut Ui)) {
    ui.separator();
    ScrollArea::vertical().id_salt(id).auto_shrink(false).show(ui, |ui| {
        ui.set_max_width(theme::LETTER_WIDTH.min(ui.available_width()));
        before(ui);
        long_text::show(ui, Id::unique(id), body);
    });
}
