//! The search field above the list, and how what was found is named.

use eframe::egui::text::{CCursor, CCursorRange};
use eframe::egui::{Align2, Id, Key, Modifiers, TextEdit, Ui, vec2};
use malote_client::archive::{Place, Sent, Summary};
use malote_common::text;
use malote_texts::Texts;

use super::View;
use super::row::{self, Row};
use crate::action::Action;
use crate::model::Model;
use crate::theme;
use crate::times::Clock;

/// Bytes that can be typed: more than anybody looks for.
const TYPED: usize = 500;

pub fn show(ui: &mut Ui, model: &mut Model, view: &mut View) {
    let search = &mut model.search;
    let id = Id::unique("search");
    if ui.memory(|memory| memory.has_focus(id)) {
        // Before the field, which would take them for itself.
        let opens = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        if [Key::ArrowDown, Key::Enter].map(opens).contains(&true) {
            view.actions.push(Action::OpenFound);
        }
    }
    if std::mem::take(&mut search.focus) {
        // Before the field, so that it takes what is typed in this frame. What stands there is replaced by it.
        let mut state = TextEdit::load_state(ui.ctx(), id).unwrap_or_default();
        let all = CCursorRange::two(CCursor::new(0), CCursor::new(search.typed.chars().count()));
        state.cursor.set_char_range(Some(all));
        state.store(ui.ctx(), id);
        ui.memory_mut(|memory| memory.request_focus(id));
    }
    let edit = TextEdit::singleline(&mut search.typed)
        .id(id)
        .hint_text(view.texts.get("search-hint"))
        .char_limit(TYPED)
        .desired_width(f32::INFINITY)
        .min_size(vec2(0.0, theme::FIELD_HEIGHT))
        .align(Align2::LEFT_CENTER);
    let field = ui.add(edit).accessible_name(view.texts.get(Action::Search.label()));
    search.has_focus = field.has_focus();
    if field.changed() {
        view.actions.push(Action::Find);
    }
}

/// Where a message that was found stands.
pub fn place(summary: &Summary, room: Option<&str>, texts: &Texts) -> String {
    match (summary.place, room) {
        (Place::Room, Some(room)) => format!("#{}", text::harmless_line(room)),
        (Place::Everybody, _) => texts.get("everybody"),
        (Place::Mail | Place::Room, _) => texts.get("inbox"),
    }
}

/// The row of a sent message that was found: to whom, and what stands around the match.
pub fn sent(sent: &Sent, clock: &Clock, texts: &Texts) -> Row {
    let to = format!("{} {}", texts.get("letter-to"), row::recipients(sent, texts));
    Row { first: to, third: sent.body.clone(), good: false, bad: false, ..Row::sent(sent, clock, texts) }
}
