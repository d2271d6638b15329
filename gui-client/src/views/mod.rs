//! The parts of the window. They read the model and say what the user wants; they change nothing themselves, but for
//! what is typed into the form.

pub mod banner;
pub mod compose;
pub mod doctor;
pub mod letter;
pub mod list;
mod long_text;
pub mod naming;
pub mod places;
pub mod rooms;
pub mod row;
pub mod search;
pub mod servers;
pub mod status;

use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{self, Align, Button, Color32, FontId, Frame, Layout, Response, RichText, Ui};
use malote_client::Reader;
use malote_texts::Texts;

use crate::action::Action;
use crate::theme;
use crate::times::Clock;

/// What views work with.
pub struct View<'a> {
    pub texts: &'a Texts,
    pub clock: &'a Clock,
    pub reader: &'a Reader,
    pub actions: &'a mut Vec<Action>,
    /// Something in the form was changed by typing.
    pub edited: bool,
}

impl View<'_> {
    /// A button for an action.
    pub fn button(&mut self, ui: &mut Ui, action: Action) -> Response {
        let button = Button::new(self.texts.get(action.label())).min_size([0.0, theme::BUTTON_HEIGHT].into());
        self.finish(ui.add(button), action)
    }

    /// The button for what one most likely wants to do here.
    pub fn main_button(&mut self, ui: &mut Ui, action: Action, enabled: bool) -> Response {
        let response = accented(ui, &self.texts.get(action.label()), enabled);
        self.finish(response, action)
    }

    /// A button without a frame, for what is seldom wanted.
    pub fn quiet_button(&mut self, ui: &mut Ui, action: Action) -> Response {
        let palette = theme::palette(ui);
        let label = RichText::new(self.texts.get(action.label())).color(palette.accent).font(theme::small_font());
        let button = Button::new(label).frame_when_inactive(false).min_size([0.0, theme::FIELD_HEIGHT].into());
        self.finish(ui.add(button), action)
    }

    fn finish(&mut self, mut response: Response, action: Action) -> Response {
        if let Some(hint) = action.hint() {
            response = response.on_hover_text(self.texts.get(hint));
        }
        if response.clicked() {
            self.actions.push(action);
        }
        response
    }

    /// A sentence that says what was undone, with the button that brings it back.
    pub fn undo_line(&mut self, ui: &mut Ui, sentence: &str, action: Action) {
        let palette = theme::palette(ui);
        Frame::new().fill(palette.notice).corner_radius(6).inner_margin(egui::Margin::symmetric(10, 2)).show(
            ui,
            |ui| {
                ui.horizontal(|ui| {
                    ui.label(
                        RichText::new(self.texts.get(sentence)).color(palette.on_notice).font(theme::small_font()),
                    );
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| self.quiet_button(ui, action));
                });
            },
        );
    }
}

/// Text that is cut with an ellipsis where it does not fit.
pub fn one_line(text: &str, font: FontId, color: Color32, width: f32) -> LayoutJob {
    let mut job = LayoutJob::single_section(text.to_owned(), TextFormat::simple(font, color));
    job.wrap.max_width = width.max(0.0);
    job.wrap.max_rows = 1;
    job.wrap.break_anywhere = true;
    job
}

/// A button in the accent colour.
fn accented(ui: &mut Ui, label: &str, enabled: bool) -> Response {
    let palette = theme::palette(ui);
    ui.scope(|ui| {
        let widgets = &mut ui.visuals_mut().widgets;
        widgets.inactive.weak_bg_fill = palette.accent;
        widgets.hovered.weak_bg_fill = palette.accent_hovered;
        widgets.active.weak_bg_fill = palette.accent_hovered;
        let label = RichText::new(label).color(palette.on_accent).font(theme::bold_font());
        let button = Button::new(label).min_size([110.0, theme::BUTTON_HEIGHT].into());
        ui.add_enabled_ui(enabled, |ui| ui.add(button)).inner
    })
    .inner
}

/// A page of its own: one column in the middle, not wider than can be read.
fn column(ui: &mut Ui, show: impl FnOnce(&mut Ui)) {
    let width = (ui.available_width() - 2.0 * theme::WIDE).min(theme::PAGE_WIDTH);
    let margin = (ui.available_width() - width) / 2.0;
    let top = (ui.available_height() * theme::PAGE_TOP).max(theme::WIDE);
    let mut place = ui.available_rect_before_wrap();
    place.min += egui::vec2(margin, top);
    place.max -= egui::vec2(margin, theme::WIDE);
    ui.scope_builder(egui::UiBuilder::new().max_rect(place).layout(Layout::top_down(Align::Min)), show);
}

/// The background of lists and letters.
pub fn paper(ui: &Ui) -> Frame {
    Frame::new().fill(theme::palette(ui).paper)
}

/// The background of everything else.
pub fn ground(ui: &Ui) -> Frame {
    Frame::new().fill(theme::palette(ui).ground)
}
