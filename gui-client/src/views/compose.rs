//! The compose form: Destinatário, Assunto, Mensagem, Enviar, Limpar.

use eframe::egui::{
    self, Align, Area, Frame, Id, Key, Layout, Modifiers, Order, Response, RichText, ScrollArea, TextEdit, Ui, vec2,
};
use malote_client::explain;
use malote_common::limits;
use malote_texts::Texts;

use super::{View, row};
use crate::action::Action;
use crate::model::{Field, Model, Obstacle, Suggestion};
use crate::theme;

pub fn show(ui: &mut Ui, model: &mut Model, view: &mut View) {
    let enabled = model.form.sending.is_none();
    ui.add_enabled_ui(enabled, |ui| form(ui, model, view));
    if model.undo_form.is_some() {
        view.undo_line(ui, "form-cleared", Action::UndoClearForm);
    }
    footer(ui, model, view);
}

fn form(ui: &mut Ui, model: &mut Model, view: &mut View) {
    if let Some(name) = &model.form.reply_to {
        let line = view.texts.with("form-reply", &[("name", malote_common::text::harmless_line(name).into())]);
        ui.label(RichText::new(line).font(theme::small_font()).color(theme::palette(ui).weak));
    }
    let to = one_line(ui, model, view, Field::To);
    suggestions(ui, model, view, &to);
    one_line(ui, model, view, Field::Subject);
    body(ui, model, view);
}

/// A labelled field of one line, with what is wrong with it below.
fn one_line(ui: &mut Ui, model: &mut Model, view: &mut View, field: Field) -> Response {
    let (label, hint) = match field {
        Field::To => ("form-to", "form-to-hint"),
        _ => ("form-subject", "form-subject-hint"),
    };
    let form = &mut model.form;
    let text = if field == Field::To { &mut form.to } else { &mut form.subject };
    let response = ui
        .horizontal(|ui| {
            let label = label_of(ui, &view.texts.get(label));
            let edit = TextEdit::singleline(text)
                .id(id_of(field))
                .hint_text(view.texts.get(hint))
                .char_limit(LINE_CHARS)
                .desired_width(f32::INFINITY)
                .min_size(vec2(0.0, theme::FIELD_HEIGHT))
                .align(egui::Align2::LEFT_CENTER);
            ui.add(edit).labelled_by(label.id)
        })
        .inner;
    after(ui, model, view, field, &response);
    response
}

fn body(ui: &mut Ui, model: &mut Model, view: &mut View) {
    let mut below = theme::BUTTON_HEIGHT + theme::GAP;
    if model.last_sent.is_some() {
        below += theme::LINE + theme::GAP;
    }
    if model.undo_form.is_some() {
        below += theme::FIELD_HEIGHT + theme::WIDE;
    }
    if model.form.asked_everybody {
        below += 2.0 * theme::LINE + theme::GAP;
    }
    if matches!(model.form.problem, Some((Field::Body, _))) {
        below += theme::FIELD_HEIGHT + theme::GAP;
    }
    let height = (ui.available_height() - below).max(theme::BODY_MIN);
    let form = &mut model.form;
    let response = ui
        .horizontal_top(|ui| {
            let label = label_of(ui, &view.texts.get("form-body"));
            ScrollArea::vertical()
                .id_salt("body")
                .max_height(height)
                .min_scrolled_height(height)
                .show(ui, |ui| {
                    let edit = TextEdit::multiline(&mut form.body)
                        .id(id_of(Field::Body))
                        .hint_text(view.texts.get("form-body-hint"))
                        .char_limit(limits::CONTENT_BYTES)
                        .desired_width(f32::INFINITY)
                        .min_size(vec2(0.0, height - EDGE));
                    ui.add(edit).labelled_by(label.id)
                })
                .inner
        })
        .inner;
    after(ui, model, view, Field::Body, &response);
}

fn label_of(ui: &mut Ui, text: &str) -> Response {
    let palette = theme::palette(ui);
    let size = vec2(LABEL_WIDTH, theme::FIELD_HEIGHT);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_size(size);
        ui.label(RichText::new(text).color(palette.weak))
    })
    .inner
}

/// Characters that fit into a field of one line: more than can be sent, which is told then, and few enough to be laid out
/// without delay whatever is pasted.
const LINE_CHARS: usize = 4 * limits::SUBJECT_BYTES;

/// What the edge of a field takes below it, so that scrolling does not cut it off.
const EDGE: f32 = 2.0;

/// The column of the labels: wide enough for “Destinatário”.
const LABEL_WIDTH: f32 = 92.0;

fn after(ui: &mut Ui, model: &mut Model, view: &mut View, field: Field, response: &Response) {
    view.edited |= response.changed();
    if model.form.focus == Some(field) {
        model.form.focus = None;
        response.request_focus();
        to_the_end(ui, model, field);
    }
    if let Some((_, obstacle)) = model.form.problem.as_ref().filter(|(at, _)| *at == field) {
        let sentence = explained(obstacle, view.texts);
        let label = ui
            .horizontal(|ui| {
                ui.add_space(LABEL_WIDTH + theme::GAP);
                let sentence = RichText::new(sentence).color(theme::palette(ui).bad).font(theme::small_font());
                ui.add(egui::Label::new(sentence).wrap())
            })
            .inner;
        // A screen reader says it when it appears.
        ui.ctx().accesskit_node_builder(label.id, |node| node.set_live(egui::accesskit::Live::Assertive));
    }
}

/// A field that is given the focus goes on where its text ends, but an answer begins before what it quotes.
fn to_the_end(ui: &Ui, model: &Model, field: Field) {
    let chars = match field {
        Field::To => model.form.to.chars().count(),
        Field::Subject => model.form.subject.chars().count(),
        Field::Body => model.form.body.chars().count(),
    };
    let mut state = TextEdit::load_state(ui.ctx(), id_of(field)).unwrap_or_default();
    let end = egui::text::CCursor::new(chars);
    state.cursor.set_char_range(Some(egui::text::CCursorRange::one(end)));
    state.store(ui.ctx(), id_of(field));
}

/// Fields are found by these from one frame to the next, and by whoever gives them the focus.
fn id_of(field: Field) -> Id {
    Id::unique(("form", field))
}

/// Names that begin with what is typed, below the field: from the first letter on, or on a click or the arrow down.
fn suggestions(ui: &mut Ui, model: &mut Model, view: &mut View, field: &Response) {
    let names = model.suggestions();
    let form = &mut model.form;
    let down = field.has_focus() && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::ArrowDown));
    let up = field.has_focus() && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::ArrowUp));
    if field.changed() {
        (form.offers, form.suggestion) = (!form.typed_name().is_empty(), 0);
    } else if down && form.offers {
        form.suggestion += 1;
    } else if up {
        form.suggestion = form.suggestion.saturating_sub(1);
    } else if down || field.clicked() {
        form.offers = true;
    }
    form.suggestion = form.suggestion.min(names.len().saturating_sub(1));
    if !form.offers || names.is_empty() {
        return;
    }
    if field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
        if let Some(suggestion) = names.get(form.suggestion) {
            view.actions.push(Action::Complete(suggestion.name.clone()));
        }
        return;
    }
    let place = field.rect.left_bottom() + vec2(0.0, 2.0);
    let area = Area::new(Id::unique("suggestions")).order(Order::Foreground).fixed_pos(place);
    let list = area.show(ui.ctx(), |ui| {
        Frame::popup(ui.style()).show(ui, |ui| {
            ui.set_width(field.rect.width().min(theme::SUGGESTIONS));
            ui.spacing_mut().item_spacing.y = 2.0;
            for (index, offered) in names.iter().enumerate() {
                if suggestion(ui, view.texts, offered, index == form.suggestion).clicked() {
                    view.actions.push(Action::Complete(offered.name.clone()));
                }
            }
        });
    });
    // A press on a name takes the focus from the field before it becomes a click: the list stays for that long.
    if !field.has_focus() && !list.response.contains_pointer() {
        form.offers = false;
    }
}

fn suggestion(ui: &mut Ui, texts: &Texts, offered: &Suggestion, chosen: bool) -> Response {
    let (name, connected) = (offered.label.as_str(), offered.connected);
    let key = if connected { "suggestion-connected" } else { "suggestion-away" };
    let spoken = texts.with(key, &[("name", name.into())]);
    let palette = theme::palette(ui);
    let label = egui::Button::selectable(chosen, RichText::new(format!("    {name}")));
    let size = vec2(ui.available_width(), theme::FIELD_HEIGHT);
    let response = ui.allocate_ui_with_layout(size, Layout::top_down_justified(Align::Min), |ui| ui.add(label)).inner;
    let center = response.rect.left_center() + vec2(theme::GAP + theme::SMALL, 0.0);
    if connected {
        ui.painter().circle_filled(center, theme::DOT - 0.5, palette.good);
    } else {
        ui.painter().circle_stroke(center, theme::DOT - 0.5, (1.0, palette.weak));
    }
    response.accessible_name(spoken)
}

/// Enviar and Limpar, and what became of the last message.
fn footer(ui: &mut Ui, model: &mut Model, view: &mut View) {
    if model.form.asked_everybody && model.form.sending.is_none() {
        return ask_everybody(ui, model, view);
    }
    ui.horizontal(|ui| {
        ui.add_space(LABEL_WIDTH + theme::GAP);
        view.main_button(ui, Action::Send, model.form.sending.is_none());
        view.button(ui, Action::ClearForm);
    });
    let Some(sent) = &model.last_sent else { return };
    let subject = row::subject(&sent.subject, view.texts);
    let state = row::states(sent, view.texts);
    let line = view.texts.with("form-last-sent", &[("subject", subject.into()), ("state", state.into())]);
    ui.horizontal(|ui| {
        ui.add_space(LABEL_WIDTH + theme::GAP);
        let line = RichText::new(line).font(theme::small_font()).color(theme::palette(ui).weak);
        ui.add(egui::Label::new(line).truncate());
    });
}

/// Asks once more before a message goes to everybody.
fn ask_everybody(ui: &mut Ui, model: &mut Model, view: &mut View) {
    let palette = theme::palette(ui);
    let question =
        view.texts.with("form-everybody", &[("count", model.people.iter().count().saturating_sub(1).into())]);
    let label = ui
        .horizontal(|ui| {
            ui.add_space(LABEL_WIDTH + theme::GAP);
            ui.add(egui::Label::new(RichText::new(question).color(palette.text)).wrap())
        })
        .inner;
    ui.ctx().accesskit_node_builder(label.id, |node| node.set_live(egui::accesskit::Live::Assertive));
    ui.horizontal(|ui| {
        ui.add_space(LABEL_WIDTH + theme::GAP);
        let answer = view.main_button(ui, Action::SendToEverybody, true);
        if std::mem::take(&mut model.form.focus_answer) {
            answer.request_focus();
        }
        view.button(ui, Action::DoNotSend);
    });
}

/// Why the message cannot be sent as it stands, in a sentence.
fn explained(obstacle: &Obstacle, texts: &Texts) -> String {
    match obstacle {
        Obstacle::Address(error) => explain::address_error(error, texts),
        Obstacle::Unknown(address) => texts.with("unknown-recipient", &[("name", address.to_string().into())]),
        Obstacle::Content(error) => explain::content_error(*error, texts),
    }
}
