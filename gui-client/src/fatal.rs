//! The window of a Malote that cannot open, for those who started it without a terminal.

use eframe::egui::{self, Label, RichText};
use malote_texts::Texts;

use crate::theme;

/// Shows one sentence.
pub struct Fatal {
    title: String,
    sentence: String,
}

impl Fatal {
    pub fn new(ctx: &egui::Context, sentence: String, texts: &Texts) -> Fatal {
        theme::install(ctx);
        Fatal { title: texts.get("fatal-title"), sentence }
    }
}

impl eframe::App for Fatal {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        egui::CentralPanel::default().show(ui, |ui| {
            ui.add_space(ui.available_height() * 0.25);
            ui.vertical_centered(|ui| {
                ui.set_max_width(theme::LETTER_WIDTH * 0.7);
                ui.label(RichText::new(&self.title).font(theme::title_font()));
                ui.add_space(theme::WIDE);
                ui.add(Label::new(&self.sentence).wrap());
            });
        });
    }
}
