//! The side bar: the inbox, what was sent, the rooms and the people.

use eframe::egui::{
    Align, Align2, Key, Label, Layout, Modifiers, Response, RichText, Role, ScrollArea, Sense, Ui, Vec2, WidgetInfo,
    pos2, vec2,
};
use malote_common::frame::Person;
use malote_texts::Texts;

use super::View;
use crate::action::Action;
use crate::model::{self, List, Model};
use crate::theme;

/// One line of the side bar.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    Place(Entry),
    /// Above the rooms, with the way to others.
    Rooms,
    /// Above the people: all, or those in the room in view.
    People(String),
}

/// A place that can be chosen.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub label: String,
    pub unread: usize,
    /// Whether a person is connected.
    pub connected: Option<bool>,
    pub list: List,
    /// What a screen reader says.
    pub spoken: String,
}

impl Line {
    /// How many lines there are.
    pub fn count(model: &Model) -> usize {
        // Inbox, sent, and the two headings.
        4 + model.rooms.len() + model.roster.len()
    }

    /// The line at this place from the top.
    pub fn at(index: usize, model: &Model, texts: &Texts) -> Option<Line> {
        let everybody = usize::from(model.rooms.first().is_some_and(|room| room.is_everybody()));
        let heading = 2 + everybody;
        let people = heading + 1 + (model.rooms.len() - everybody);
        Some(match index {
            0 => Line::Place(Entry::plain(texts.get("inbox"), model.unread, List::Inbox, texts)),
            1 => Line::Place(Entry::plain(texts.get("sent"), 0, List::Sent, texts)),
            _ if index < heading => Line::Place(Entry::room(model, index - 2, texts)?),
            _ if index == heading => Line::Rooms,
            _ if index < people => Line::Place(Entry::room(model, index - 3, texts)?),
            _ if index == people => Line::People(people_heading(model, texts)),
            _ => Line::Place(Entry::person(model.roster.get(index - people - 1)?, model, texts)),
        })
    }
}

impl Entry {
    fn plain(label: String, unread: usize, list: List, texts: &Texts) -> Entry {
        let spoken = match unread {
            0 => label.clone(),
            count => texts.with("place-unread", &[("name", label.as_str().into()), ("count", count.into())]),
        };
        Entry { label, unread, connected: None, list, spoken }
    }

    fn room(model: &Model, index: usize, texts: &Texts) -> Option<Entry> {
        let room = model.rooms.get(index)?;
        let label = if room.is_everybody() { texts.get("everybody") } else { model::address(room).to_string() };
        Some(Entry::plain(label, room.unread, List::Room(room.mailbox), texts))
    }

    fn person(person: &Person, model: &Model, texts: &Texts) -> Entry {
        let mut label = model.people.label(person.number, &person.name);
        if Some(person.number) == model.number {
            label = texts.with("place-you", &[("name", label.into())]);
        }
        let key = if person.connected { "suggestion-connected" } else { "suggestion-away" };
        let spoken = texts.with(key, &[("name", label.as_str().into())]);
        Entry { label, unread: 0, connected: Some(person.connected), list: List::Person(person.number), spoken }
    }
}

/// Whose names stand below.
fn people_heading(model: &Model, texts: &Texts) -> String {
    match model.room().filter(|_| model.company().is_some()) {
        Some(room) => texts.with("people-in-room", &[("room", model::address(room).to_string().into())]),
        None => texts.get("people"),
    }
}

pub fn show(ui: &mut Ui, model: &Model, view: &mut View) {
    ui.spacing_mut().item_spacing.y = 0.0;
    ui.add_space(theme::SMALL);
    let area = ScrollArea::vertical().id_salt("places").auto_shrink(false);
    area.show_rows(ui, theme::PLACE, Line::count(model), |ui, range| {
        for index in range {
            match Line::at(index, model, view.texts) {
                Some(Line::Place(entry)) => place(ui, &entry, model.list == entry.list, view),
                Some(Line::Rooms) => rooms_heading(ui, model, view),
                Some(Line::People(heading)) => self::heading(ui, &heading),
                None => {}
            }
        }
    });
}

/// The name of the place in view, as a button that offers the others: for windows too narrow for a side bar.
pub fn chooser(ui: &mut Ui, model: &Model, view: &mut View) {
    let title = RichText::new(format!("{}  ⏷", title(model, view.texts))).font(theme::bold_font());
    ui.menu_button(title, |ui| {
        ui.set_width(theme::PLACES);
        ui.set_height(theme::CHOOSER);
        show(ui, model, view);
    });
}

/// What the place in view is called.
pub fn title(model: &Model, texts: &Texts) -> String {
    match model.list {
        List::Inbox if model.unread > 0 => texts.with("inbox-unread", &[("count", model.unread.into())]),
        List::Inbox => texts.get("inbox"),
        List::Sent => texts.get("sent"),
        List::Rooms => texts.get("rooms"),
        List::Found => {
            let key = if model.search.more { "found-newest" } else { "found" };
            texts.with(key, &[("count", model.search.found.len().into())])
        }
        List::Room(_) => match model.room() {
            Some(room) if room.is_everybody() => texts.get("everybody"),
            Some(room) => model::address(room).to_string(),
            None => String::new(),
        },
        List::Person(number) => match model.people.get(number) {
            Some(person) => model.people.label(number, &person.name),
            None => malote_common::Name::given(number).to_string(),
        },
    }
}

fn heading(ui: &mut Ui, text: &str) {
    let size = vec2(ui.available_width(), theme::PLACE);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Max), |ui| {
        ui.set_min_size(size);
        ui.add_space(theme::WIDE);
        let text = RichText::new(text).font(theme::small_font()).color(theme::palette(ui).weak);
        ui.add(Label::new(text).truncate());
    });
}

fn rooms_heading(ui: &mut Ui, model: &Model, view: &mut View) {
    let size = vec2(ui.available_width(), theme::PLACE);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Max), |ui| {
        ui.set_min_size(size);
        ui.spacing_mut().button_padding = Vec2::new(theme::SMALL, 0.0);
        ui.add_space(theme::SMALL);
        let selected = model.list == List::Rooms;
        ui.add_enabled_ui(!selected, |ui| view.quiet_button(ui, Action::Show(List::Rooms)));
        ui.with_layout(Layout::left_to_right(Align::Max), |ui| {
            ui.add_space(theme::WIDE);
            let text = RichText::new(view.texts.get("rooms")).font(theme::small_font());
            ui.label(text.color(theme::palette(ui).weak));
        });
    });
}

fn place(ui: &mut Ui, entry: &Entry, selected: bool, view: &mut View) {
    let palette = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), theme::PLACE), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, selected, &entry.spoken));
    if ui.is_rect_visible(rect) {
        let inner = rect.shrink2(vec2(theme::SMALL, 1.0));
        if selected || response.hovered() || response.has_focus() {
            let fill = if selected { palette.selected } else { palette.hovered };
            ui.painter().rect_filled(inner, theme::CORNER, fill);
        }
        if response.has_focus() {
            let stroke = (1.5, palette.accent);
            ui.painter().rect_stroke(inner, theme::CORNER, stroke, eframe::egui::StrokeKind::Inside);
        }
        let mut left = rect.left() + theme::WIDE;
        if let Some(connected) = entry.connected {
            let center = pos2(left + theme::DOT, rect.center().y);
            match connected {
                true => ui.painter().circle_filled(center, theme::DOT, palette.good),
                false => ui.painter().circle_stroke(center, theme::DOT - 0.5, (1.0, palette.weak)),
            };
            left += 4.0 * theme::DOT;
        }
        let mut right = rect.right() - theme::WIDE;
        if entry.unread > 0 {
            let count = entry.unread.to_string();
            let drawn = ui.painter().text(
                pos2(right, rect.center().y),
                Align2::RIGHT_CENTER,
                count,
                theme::bold_font(),
                palette.accent,
            );
            right = drawn.left() - theme::GAP;
        }
        let font = if entry.unread > 0 || selected { theme::bold_font() } else { theme::body_font() };
        let color = if entry.connected == Some(false) { palette.weak } else { palette.text };
        let label = super::one_line(&entry.label, font, color, right - left);
        let galley = ui.painter().layout_job(label);
        let top = rect.center().y - galley.size().y / 2.0;
        ui.painter().galley(pos2(left, top), galley, color);
    }
    react(ui, &response, entry.list, view);
}

fn react(ui: &mut Ui, response: &Response, list: List, view: &mut View) {
    if response.clicked() {
        view.actions.push(Action::Show(list));
        response.request_focus();
        ui.close();
    }
    if response.has_focus() {
        for (key, action) in [(Key::ArrowDown, Action::NextPlace), (Key::ArrowUp, Action::PreviousPlace)] {
            if ui.input_mut(|input| input.consume_key(Modifiers::NONE, key)) {
                view.actions.push(action);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::model;
    use malote_client::archive::KnownRoom;
    use malote_common::{MailboxId, Name};
    use malote_texts::Language;

    #[test]
    fn every_place_has_its_line() {
        let texts = Texts::new(Language::Portuguese);
        let mut model = model();
        let room = |name: &str, mailbox, unread| KnownRoom {
            name: Name::parse(name).unwrap(),
            mailbox: MailboxId(mailbox),
            unread,
        };
        let person = |number, connected| Person { number, name: Name::given(number), connected };
        model.rooms = vec![room("todos", 1, 0), room("arte", 2, 3), room("obras", 3, 0)];
        model.roster = vec![person(4, true), person(2, false)];
        let lines: Vec<String> = (0..Line::count(&model))
            .map(|index| match Line::at(index, &model, &texts).unwrap() {
                Line::Place(entry) => entry.spoken,
                Line::Rooms => "*".into(),
                Line::People(heading) => heading,
            })
            .collect();
        let expected = [
            "Caixa de Entrada",
            "Enviadas",
            "Todos",
            "*",
            "#arte, 3 não lidas",
            "#obras",
            "Pessoas",
            "Usuario4, conectado",
            "Usuario2, ausente",
        ];
        assert_eq!(lines, expected);
        model.rooms.clear();
        assert_eq!(Line::at(2, &model, &texts), Some(Line::Rooms));
        assert!(matches!(Line::at(3, &model, &texts), Some(Line::People(_))));
        assert_eq!(Line::at(Line::count(&model), &model, &texts), None);
    }
}
