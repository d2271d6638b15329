//! The question for a name: asked once by itself, and whenever the user wants another.

use eframe::egui::{Frame, Id, Key, Label, Margin, RichText, TextEdit, Ui, vec2};
use malote_common::Name;

use super::View;
use crate::action::Action;
use crate::model::Model;
use crate::theme;

pub fn frame(ui: &Ui) -> Frame {
    let palette = theme::palette(ui);
    Frame::new().fill(palette.paper).inner_margin(Margin::symmetric(14, 10)).stroke((1.0, palette.line))
}

pub fn show(ui: &mut Ui, model: &mut Model, view: &mut View) {
    let given = model.number.map(|number| Name::given(number).to_string()).unwrap_or_default();
    let current = model.name.clone().unwrap_or_default();
    let Some(naming) = &mut model.naming else { return };
    let palette = theme::palette(ui);
    let (title, hint) = match naming.is_first {
        true => (view.texts.with("naming-first", &[("name", current.as_str().into())]), "naming-first-hint"),
        false => (view.texts.with("naming-change", &[("name", current.as_str().into())]), "naming-change-hint"),
    };
    ui.spacing_mut().item_spacing.y = theme::SMALL;
    let title = ui.add(Label::new(RichText::new(title).font(theme::bold_font())).wrap());
    let hint = view.texts.with(hint, &[("given", given.as_str().into())]);
    ui.add(Label::new(RichText::new(hint).font(theme::small_font()).color(palette.weak)).wrap());
    ui.horizontal(|ui| {
        let edit = TextEdit::singleline(&mut naming.typed)
            .id(Id::unique("naming"))
            .hint_text(given)
            .desired_width(theme::NAME_FIELD)
            .min_size(vec2(0.0, theme::FIELD_HEIGHT))
            .align(eframe::egui::Align2::LEFT_CENTER);
        let field = ui.add_enabled(!naming.waiting, edit).labelled_by(title.id);
        if std::mem::take(&mut naming.focus) {
            field.request_focus();
        }
        if field.changed() {
            naming.problem = None;
        }
        if field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
            view.actions.push(Action::TakeName);
        }
        let has_name = !naming.typed.trim().is_empty();
        let enabled = !naming.waiting && (has_name || !naming.is_first);
        ui.add_enabled_ui(enabled, |ui| view.button(ui, Action::TakeName));
        view.quiet_button(ui, Action::SkipName);
    });
    if let Some(problem) = &naming.problem {
        let problem = RichText::new(problem).color(palette.bad).font(theme::small_font());
        let label = ui.add(Label::new(problem).wrap());
        ui.ctx().accesskit_node_builder(label.id, |node| node.set_live(eframe::egui::accesskit::Live::Assertive));
    }
}
