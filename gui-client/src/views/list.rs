//! The list at the left: the inbox, a room or a person, what was sent, or what was found.

use eframe::egui::{Align, Key, Label, Layout, Margin, Response, RichText, ScrollArea, Ui, vec2};
use malote_client::archive::{Found, Hit, KnownRoom, Place, Summary};
use malote_texts::Texts;

use super::View;
use super::row::{self, Row};
use crate::action::Action;
use crate::company::{Movement, Notice};
use crate::model::{List, Model};
use crate::theme;

pub fn show(ui: &mut Ui, model: &mut Model, view: &mut View) {
    // Where there is no row to take it, the wish is over: later it would take the keyboard from whoever is writing.
    let wants_focus = std::mem::take(&mut model.focus_list);
    ui.spacing_mut().item_spacing.y = 0.0;
    head(ui, model, view);
    if model.undo_inbox.is_some() {
        let margin = Margin::symmetric(theme::GAP as i8, theme::SMALL as i8);
        eframe::egui::Frame::new()
            .inner_margin(margin)
            .show(ui, |ui| view.undo_line(ui, "list-cleared", Action::UndoClearInbox));
    }
    if model.list == List::Rooms {
        return super::rooms::show(ui, model, view);
    }
    ui.separator();
    let count = model.count();
    match (count, model.list) {
        (0, List::Found) => empty(ui, view, "found-none", "found-none-hint"),
        (0, List::Sent) => empty(ui, view, "sent-empty", "sent-empty-hint"),
        (0, List::Room(_)) => empty(ui, view, "inbox-empty", "room-empty-hint"),
        (0, List::Person(_)) => empty(ui, view, "inbox-empty", "person-empty-hint"),
        (0, _) => empty(ui, view, "inbox-empty", "inbox-empty-hint"),
        _ => rows(ui, model, view, count, wants_focus),
    }
}

/// Where we are, what can be done here, and in a room who comes and goes.
fn head(ui: &mut Ui, model: &mut Model, view: &mut View) {
    let is_narrow = ui.ctx().content_rect().width() < theme::PLACES_FROM;
    eframe::egui::Frame::new().inner_margin(Margin::symmetric(10, 8)).show(ui, |ui| {
        if is_narrow {
            super::places::chooser(ui, model, view);
            ui.add_space(theme::GAP);
        }
        super::search::show(ui, model, view);
        ui.add_space(theme::SMALL);
        let size = vec2(ui.available_width(), theme::FIELD_HEIGHT);
        if !is_narrow || has_actions(model) {
            ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
                actions(ui, model, view);
                if !is_narrow {
                    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                        ui.add_space(theme::SMALL);
                        let title = RichText::new(super::places::title(model, view.texts)).font(theme::bold_font());
                        ui.add(Label::new(title).truncate());
                    });
                }
            });
        }
        if let Some(room) = model.room() {
            company(ui, room, model, view);
        }
    });
}

fn has_actions(model: &Model) -> bool {
    can_be_left(model).is_some() || can_be_cleared(model) || model.list == List::Found
}

fn can_be_left(model: &Model) -> Option<&KnownRoom> {
    model.room().filter(|room| !room.is_everybody())
}

fn can_be_cleared(model: &Model) -> bool {
    matches!(model.list, List::Inbox | List::Room(_)) && model.count() > 0
}

fn actions(ui: &mut Ui, model: &Model, view: &mut View) {
    ui.spacing_mut().button_padding = vec2(theme::GAP, 2.0);
    if let Some(room) = can_be_left(model) {
        view.quiet_button(ui, Action::LeaveRoom(room.mailbox));
    }
    if can_be_cleared(model) {
        view.quiet_button(ui, Action::ClearList);
    }
    if model.list == List::Found {
        view.quiet_button(ui, Action::EndSearch);
    }
}

/// How many people are in the room, and the last that was noticed about them.
fn company(ui: &mut Ui, room: &KnownRoom, model: &Model, view: &View) {
    let Some(company) = model.companies.get(&room.mailbox) else { return };
    let weak = theme::palette(ui).weak;
    let line = |ui: &mut Ui, text: String| {
        ui.horizontal(|ui| {
            ui.add_space(theme::SMALL);
            ui.add(Label::new(RichText::new(text).font(theme::small_font()).color(weak)).truncate())
        })
        .inner
    };
    let counts = [("count", company.count().into()), ("connected", company.connected().into())];
    line(ui, view.texts.with("room-company", &counts));
    for notice in company.notices(NOTICES) {
        let label = line(ui, notice_line(notice, model, view));
        ui.ctx().accesskit_node_builder(label.id, |node| node.set_live(eframe::egui::accesskit::Live::Polite));
    }
}

/// Notices shown above a room's messages.
const NOTICES: usize = 3;

fn notice_line(notice: &Notice, model: &Model, view: &View) -> String {
    let key = match notice.what {
        Movement::Entered => "notice-entered",
        Movement::Left => "notice-left",
        Movement::Connected => "notice-connected",
        Movement::Disconnected => "notice-disconnected",
    };
    let name = model.people.label(notice.who.number, &notice.who.name);
    let time = view.clock.short(notice.at, view.texts);
    view.texts.with(key, &[("name", name.into()), ("time", time.into())])
}

fn empty(ui: &mut Ui, view: &View, title: &str, hint: &str) {
    let palette = theme::palette(ui);
    ui.add_space(ui.available_height() * 0.25);
    ui.vertical_centered(|ui| {
        ui.set_max_width(220.0);
        ui.label(RichText::new(view.texts.get(title)).font(theme::bold_font()));
        ui.add_space(theme::SMALL);
        ui.label(RichText::new(view.texts.get(hint)).font(theme::small_font()).color(palette.weak));
    });
}

/// Lays out only the rows in view, and keeps them where they are when new ones come in above.
fn rows(ui: &mut Ui, model: &mut Model, view: &mut View, count: usize, wants_focus: bool) {
    let mut area = ScrollArea::vertical().id_salt(("rows", model.list)).auto_shrink(false);
    let id = ui.make_persistent_id(("offset", model.list));
    let arrived = std::mem::take(&mut model.arrived) as f32;
    let offset: f32 = ui.data(|data| data.get_temp(id)).unwrap_or(0.0);
    if arrived > 0.0 && offset > 0.0 {
        // What is being read stays where it is.
        area = area.vertical_scroll_offset(offset + arrived * theme::ROW);
    }
    if std::mem::take(&mut model.search.rewind) && model.list == List::Found {
        area = area.vertical_scroll_offset(0.0);
    }
    let model = &*model;
    let output = area.show_rows(ui, theme::ROW, count, |ui, range| {
        let (mut first, mut open) = (None, None);
        for index in range {
            let Some((at, row, action)) = row_at(index, model, view) else { continue };
            let is_open = model.open_row() == Some(at);
            let response = row::paint(ui, &row, is_open);
            react(ui, view, &response, action);
            if is_open {
                open = Some(response);
            } else {
                first.get_or_insert(response);
            }
        }
        if let Some(row) = open.or(first).filter(|_| wants_focus) {
            row.request_focus();
        }
    });
    ui.data_mut(|data| data.insert_temp(id, output.state.clamped_offset().y));
}

/// The message that stands so many below the newest: its row in the archive and on the screen, and what opens it.
fn row_at(index: usize, model: &Model, view: &View) -> Option<(i64, Row, Action)> {
    let View { texts, clock, reader, .. } = view;
    match model.list {
        List::Sent => {
            let at = model.sent.from_top(index)?;
            let sent = model.sent.get(at, |at| reader.sent_message_at(at).ok()?)?;
            Some((at, Row::sent(&sent, clock, texts), Action::OpenSent(at)))
        }
        List::Found => {
            let search = &model.search;
            let hit = search.found.from_top(index)?;
            let found = search.found.get(hit, |hit| reader.found(hit, &search.query).ok()?)?;
            let (row, place) = match &found {
                Found::Sent(sent) => (super::search::sent(sent, clock, texts), texts.get("sent")),
                Found::Received { summary, room } => {
                    let row = Row::received(summary, author(summary, model, texts), clock, texts);
                    (row, super::search::place(summary, room.as_deref(), texts))
                }
            };
            let action = match hit {
                Hit::Received(at) => Action::Open(at),
                Hit::Sent(at) => Action::OpenSent(at),
            };
            Some((hit.row(), row.found_in(place, &search.query, texts), action))
        }
        _ => {
            let list = model.letters()?;
            let at = list.from_top(index)?;
            let summary = list.get(at, |at| reader.summary_at(at).ok()?)?;
            Some((at, Row::received(&summary, author(&summary, model, texts), clock, texts), Action::Open(at)))
        }
    }
}

/// Who wrote it, and in the inbox that it was for everybody.
fn author(summary: &Summary, model: &Model, texts: &Texts) -> String {
    if summary.mine {
        return texts.get("you");
    }
    let author = model.author(&summary.from, summary.number);
    match model.list == List::Inbox && summary.place == Place::Everybody {
        true => texts.with("author-to-everybody", &[("name", author.into())]),
        false => author,
    }
}

fn react(ui: &Ui, view: &mut View, response: &Response, action: Action) {
    if response.clicked() {
        view.actions.push(action);
        response.request_focus();
    }
    if response.has_focus() {
        for (key, action) in [(Key::ArrowDown, Action::OpenNext), (Key::ArrowUp, Action::OpenPrevious)] {
            if ui.input_mut(|input| input.consume_key(eframe::egui::Modifiers::NONE, key)) {
                view.actions.push(action);
            }
        }
    }
}
