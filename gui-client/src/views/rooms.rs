//! The rooms that there are: entering one, or making one.

use eframe::egui::{Align, Button, Frame, Key, Label, Layout, Margin, RichText, ScrollArea, TextEdit, Ui, vec2};
use malote_common::frame::Room;

use super::View;
use crate::action::Action;
use crate::model::{List, Model};
use crate::theme;

pub fn show(ui: &mut Ui, model: &mut Model, view: &mut View) {
    Frame::new().inner_margin(Margin::symmetric(14, 4)).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = theme::SMALL;
        find(ui, model, view);
    });
    ui.separator();
    let palette = theme::palette(ui);
    let rooms = match &model.room_finder.rooms {
        Some(rooms) => rooms,
        None => return,
    };
    let area = ScrollArea::vertical().id_salt("rooms").auto_shrink(false);
    area.show_rows(ui, theme::ROOM, rooms.len(), |ui, range| {
        for room in rooms.get(range).unwrap_or_default() {
            row(ui, room, model, view);
            let line = ui.cursor().top();
            ui.painter().hline(ui.max_rect().x_range(), line - 0.5, (1.0, palette.line));
        }
    });
}

/// The field for a room's name, with what is wrong with it.
fn find(ui: &mut Ui, model: &mut Model, view: &mut View) {
    let palette = theme::palette(ui);
    let hint = view.texts.get("room-finder-hint");
    let label = ui.add(Label::new(RichText::new(hint).font(theme::small_font()).color(palette.weak)).wrap());
    ui.horizontal(|ui| {
        let width = ui.available_width() - theme::FINDER_BUTTON - theme::GAP;
        let edit = TextEdit::singleline(&mut model.room_finder.typed)
            .id(eframe::egui::Id::unique("room finder"))
            .hint_text(view.texts.get("room-finder-example"))
            .desired_width(width)
            .min_size(vec2(0.0, theme::FIELD_HEIGHT))
            .align(eframe::egui::Align2::LEFT_CENTER);
        let field = ui.add(edit).labelled_by(label.id);
        if std::mem::take(&mut model.room_finder.focus) {
            field.request_focus();
        }
        if field.changed() {
            model.room_finder.problem = None;
        }
        let entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let enabled = model.is_online() && !model.room_finder.typed.trim().is_empty();
        ui.add_enabled_ui(enabled, |ui| view.button(ui, Action::FindRoom));
        if entered && enabled {
            view.actions.push(Action::FindRoom);
        }
    });
    if let Some(problem) = &model.room_finder.problem {
        let problem = RichText::new(problem).color(palette.bad).font(theme::small_font());
        let label = ui.add(Label::new(problem).wrap());
        ui.ctx().accesskit_node_builder(label.id, |node| node.set_live(eframe::egui::accesskit::Live::Assertive));
    }
}

fn row(ui: &mut Ui, room: &Room, model: &Model, view: &mut View) {
    let size = vec2(ui.available_width(), theme::ROOM);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        ui.set_min_size(size);
        ui.add_space(theme::WIDE);
        let is_in_it = model.room_of(room.mailbox).is_some();
        let action = match is_in_it {
            true => Action::Show(List::Room(room.mailbox)),
            false => Action::EnterRoom(room.name.clone()),
        };
        let key = if is_in_it { "action-show-room" } else { action.label() };
        let name = if room.name.as_str() == malote_common::address::EVERYBODY {
            view.texts.get("everybody")
        } else {
            format!("#{}", room.name)
        };
        let spoken = view.texts.with(&format!("{key}-spoken"), &[("room", name.as_str().into())]);
        let button = ui.add_enabled(model.is_online() || is_in_it, Button::new(view.texts.get(key)));
        if button.accessible_name(spoken).clicked() {
            view.actions.push(action);
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.add_space(theme::WIDE);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                ui.add_space(theme::GAP);
                ui.add(Label::new(RichText::new(name).font(theme::bold_font())).truncate());
                let members = view.texts.with("room-members", &[("count", (room.members as usize).into())]);
                let members = RichText::new(members).font(theme::small_font()).color(theme::palette(ui).weak);
                ui.add(Label::new(members).truncate());
            });
        });
    });
}
