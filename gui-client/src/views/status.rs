//! The line at the bottom: who I am, where, whether connected, and who else is there.

use eframe::egui::{Align, Button, Label, Layout, Margin, RichText, Sense, Ui, Vec2};
use malote_client::Status;
use malote_texts::Texts;

use super::View;
use crate::action::Action;
use crate::model::Model;
use crate::theme;

/// What the line says.
#[derive(Debug, PartialEq, Eq)]
pub struct StatusLine {
    pub name: String,
    pub connection: String,
    pub online: bool,
    pub people: Option<String>,
}

impl StatusLine {
    pub fn of(model: &Model, texts: &Texts) -> StatusLine {
        let key = match &model.status {
            Status::Connecting => "status-connecting",
            Status::Online { .. } => "status-online",
            Status::Waiting { .. } => "status-offline",
            Status::Stopped { .. } => "status-stopped",
        };
        let online = model.is_online();
        // The others: I know that I am here.
        let others = model.people.connected().saturating_sub(1);
        StatusLine {
            name: model.name.clone().unwrap_or_default(),
            connection: texts.with(key, &[("server", model.server.to_string().into())]),
            online,
            people: online.then(|| texts.with("status-people", &[("count", others.into())])),
        }
    }
}

pub fn show(ui: &mut Ui, model: &Model, view: &mut View) {
    let line = StatusLine::of(model, view.texts);
    let palette = theme::palette(ui);
    ui.style_mut().spacing.interact_size.y = 22.0;
    ui.horizontal(|ui| {
        let size = Vec2::new(12.0, ui.spacing().interact_size.y);
        let (dot, _) = ui.allocate_exact_size(size, Sense::hover());
        let color = if line.online { palette.good } else { palette.bad };
        ui.painter().circle_filled(dot.center(), theme::DOT, color);
        if !line.name.is_empty() {
            ui.spacing_mut().button_padding = Vec2::new(theme::SMALL, 0.0);
            let name = Button::new(RichText::new(&line.name).font(theme::bold_font())).frame_when_inactive(false);
            let spoken = format!("{}: {}", view.texts.get(Action::AskName.label()), line.name);
            let button = ui.add_enabled(line.online, name).on_hover_text(view.texts.get(Action::AskName.label()));
            if button.accessible_name(spoken).clicked() {
                view.actions.push(Action::AskName);
            }
        }
        ui.label(RichText::new(&line.connection).font(theme::small_font()).color(palette.weak));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            options(ui, model, view);
            if let Some(people) = &line.people {
                let label = ui.label(RichText::new(people).font(theme::small_font()).color(palette.weak));
                let names: Vec<&str> =
                    model.people.iter().filter(|p| p.connected).take(NAMES).map(|p| p.name.as_str()).collect();
                label.on_hover_text(names.join("\n"));
            }
        });
    });
}

/// Names in the list that hovering over the count shows.
const NAMES: usize = 30;

fn options(ui: &mut Ui, model: &Model, view: &mut View) {
    ui.spacing_mut().button_padding = Vec2::new(theme::GAP, 2.0);
    let title = RichText::new(view.texts.get("options")).font(theme::small_font());
    ui.menu_button(title, |ui| {
        ui.set_max_width(320.0);
        ui.spacing_mut().menu_margin = Margin::same(8);
        if ui.add_enabled(model.is_online(), Button::new(view.texts.get(Action::AskName.label()))).clicked() {
            view.actions.push(Action::AskName);
            ui.close();
        }
        let mut tells = model.tells_read;
        let label = view.texts.get(Action::TellRead(true).label());
        if ui.checkbox(&mut tells, label).changed() {
            view.actions.push(Action::TellRead(tells));
        }
        ui.separator();
        view.quiet_button(ui, Action::ChangeServer);
        if let Ok(Some(key)) = view.reader.fingerprint_at(&model.server.to_string()) {
            ui.separator();
            ui.with_layout(Layout::top_down(Align::Min), |ui| {
                ui.label(RichText::new(view.texts.get("options-server-key")).font(theme::small_font()));
                let key = RichText::new(key.to_string()).font(theme::small_font()).color(theme::palette(ui).weak);
                ui.add(Label::new(key).wrap().selectable(true));
            });
        }
    });
}
