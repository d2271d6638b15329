//! The window: takes in events, draws the views, and has their actions applied.

use std::time::Instant;

use crossbeam_channel::Receiver;
use eframe::egui::{self, Panel};
use malote_client::{Client, Event, Options, Profile, Reader, ServerAddress, explain};
use malote_texts::Texts;

use crate::action::{Action, WITH_KEYS};
use crate::apply::{DRAFT_PAUSE, Desk};
use crate::model::{Field, Form, List, Model};
use crate::views::{self, View};
use crate::{theme, times::Clock};

/// Events taken in for one frame. More wait for the next one, so that a flood does not freeze the window.
const EVENTS_PER_FRAME: usize = 2_000;

/// Malote's window.
pub struct App {
    ctx: egui::Context,
    model: Model,
    client: Client,
    events: Receiver<Event>,
    reader: Reader,
    texts: Texts,
    clock: Clock,
    tokens: u64,
    title: String,
    /// Input that came behind a key that moves the focus or does something; it is for the next frame.
    held: Vec<egui::Event>,
}

impl App {
    /// Opens the profile's archive and starts to connect. The error is a sentence for the user.
    pub fn new(ctx: &egui::Context, profile: Profile, server: ServerAddress, texts: Texts) -> Result<App, String> {
        theme::install(ctx);
        let archive = profile.archive();
        let waker = ctx.clone();
        let options = Options { server: server.clone(), wants_people: true };
        let failed = |error| explain::archive_error(&error, &texts);
        let (client, events) = Client::start(profile, options, move || waker.request_repaint()).map_err(failed)?;
        let reader = Reader::open(&archive, &server.to_string()).map_err(failed)?;
        let draft = reader.draft().map_err(failed)?;
        let model = Model {
            name: reader.name_at(&server.to_string()).map_err(failed)?,
            form: Form { focus: Some(Field::To), ..Form::from_draft(draft) },
            tells_read: reader.tells_read().map_err(failed)?,
            ..Model::new(server)
        };
        let mut app = App {
            ctx: ctx.clone(),
            model,
            client,
            events,
            reader,
            texts,
            clock: Clock::new(),
            tokens: 0,
            title: String::new(),
            held: Vec::new(),
        };
        app.desk().reload();
        Ok(app)
    }

    /// What the window shows, for tests.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Whether the user wants to go to another server.
    pub fn wants_other_server(&self) -> bool {
        self.model.leaving
    }

    /// Ends, and gives back the profile and where it was connected.
    pub fn leave(mut self) -> Option<(Profile, ServerAddress)> {
        self.desk().save_draft();
        let App { client, events, model, .. } = self;
        // A client whose events nobody takes any more does not wait to tell them.
        drop(events);
        Some((client.stop()?, model.server))
    }

    fn desk(&mut self) -> Desk<'_> {
        Desk {
            ctx: &self.ctx,
            model: &mut self.model,
            client: &self.client,
            reader: &self.reader,
            texts: &self.texts,
            tokens: &mut self.tokens,
        }
    }

    fn take_events(&mut self, ctx: &egui::Context) {
        let events: Vec<Event> = self.events.try_iter().take(EVENTS_PER_FRAME).collect();
        if events.len() == EVENTS_PER_FRAME {
            ctx.request_repaint();
        }
        let mut desk = self.desk();
        events.into_iter().for_each(|event| desk.take(event));
    }

    /// Asks to be woken when something is due, and for nothing else: an idle window sleeps.
    fn schedule(&self, ctx: &egui::Context, now: Instant) {
        let undo = [
            self.model.undo_form.as_ref().map(|undo| undo.until),
            self.model.undo_inbox.as_ref().map(|undo| undo.until),
            self.model.form.changed_at.map(|at| at + DRAFT_PAUSE),
        ];
        if let Some(due) = undo.into_iter().flatten().min() {
            ctx.request_repaint_after(due.saturating_duration_since(now));
        }
    }

    fn show_title(&mut self, ctx: &egui::Context) {
        let server = self.model.server.to_string();
        let title = match &self.model.name {
            None => self.texts.with("window-title-unknown", &[("server", server.into())]),
            Some(name) => {
                let key = if self.model.is_online() { "window-title" } else { "window-title-offline" };
                self.texts.with(key, &[("name", name.as_str().into()), ("server", server.into())])
            }
        };
        if title != self.title {
            ctx.send_viewport_cmd(egui::ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }

    fn keys(&self, ctx: &egui::Context, actions: &mut Vec<Action>) {
        for action in WITH_KEYS {
            let Some(shortcut) = action.shortcut() else { continue };
            let diagnosing = self.model.checkup.is_some();
            let action = if diagnosing && action == Action::Close { Action::CloseDiagnosis } else { action };
            let possible = match action {
                Action::CloseDiagnosis => true,
                // What they act on is not in view.
                _ if diagnosing => false,
                Action::Reply => self.model.open.is_some(),
                Action::Close => {
                    let model = &self.model;
                    model.open.is_some()
                        || model.form.asked_everybody
                        || model.naming.is_some()
                        || model.list == List::Found
                        || model.search.has_focus
                }
                _ => true,
            };
            if possible && ctx.input_mut(|input| input.consume_shortcut(&shortcut)) {
                actions.push(action);
            }
        }
    }
}

/// How many of the events belong to one frame: up to a key that moves the focus or does something.
///
/// egui moves the focus between frames. Where frames are slow, what is typed behind Tab would still go into the field
/// before it, and what is typed behind Ctrl+Enter into the message that is being sent.
fn one_frame(events: &[egui::Event]) -> usize {
    let turning = |event: &egui::Event| match event {
        egui::Event::Key { key, pressed: true, modifiers, .. } => {
            matches!(key, egui::Key::Tab | egui::Key::Escape) || modifiers.command
        }
        _ => false,
    };
    events.iter().position(turning).map_or(events.len(), |index| index + 1)
}

impl eframe::App for App {
    fn raw_input_hook(&mut self, ctx: &egui::Context, input: &mut egui::RawInput) {
        self.held.append(&mut input.events);
        let later = self.held.split_off(one_frame(&self.held));
        input.events = std::mem::replace(&mut self.held, later);
        if !self.held.is_empty() {
            ctx.request_repaint();
        }
    }

    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        self.take_events(ctx);
        self.desk().settle(Instant::now());
        self.show_title(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let now = Instant::now();
        let mut actions = Vec::new();
        self.keys(ui.ctx(), &mut actions);
        let is_wide = ui.available_width() >= theme::PLACES_FROM;
        let room = ui.available_width() - if is_wide { theme::PLACES } else { 0.0 };
        let width = (room * theme::LIST_PART).clamp(theme::LIST_MIN, theme::LIST_MAX);
        let mut view =
            View { texts: &self.texts, clock: &self.clock, reader: &self.reader, actions: &mut actions, edited: false };
        Panel::bottom("status").show(ui, |ui| views::status::show(ui, &self.model, &mut view));
        if let Some(banner) = views::banner::Banner::of(&self.model, view.texts) {
            Panel::top("banner").frame(views::banner::frame(ui)).show(ui, |ui| banner.show(ui, &mut view));
        }
        if let Some(checkup) = &self.model.checkup {
            let page = views::doctor::DoctorPage::of(checkup, view.texts);
            egui::CentralPanel::default().frame(views::ground(ui)).show(ui, |ui| page.show(ui, &mut view));
            let mut desk = self.desk();
            actions.into_iter().for_each(|action| desk.act(action, now));
            self.schedule(ui.ctx(), Instant::now());
            return;
        }
        if self.model.naming.is_some() {
            Panel::top("naming")
                .frame(views::naming::frame(ui))
                .show(ui, |ui| views::naming::show(ui, &mut self.model, &mut view));
        }
        if is_wide {
            Panel::left("places")
                .resizable(false)
                .exact_size(theme::PLACES)
                .frame(views::ground(ui))
                .show(ui, |ui| views::places::show(ui, &self.model, &mut view));
        }
        Panel::left("list")
            .resizable(false)
            .exact_size(width)
            .frame(views::paper(ui))
            .show(ui, |ui| views::list::show(ui, &mut self.model, &mut view));
        egui::CentralPanel::default().frame(views::ground(ui)).show(ui, |ui| {
            if self.model.open.is_some() {
                let height = ui.available_height() * theme::LETTER_PART;
                Panel::top("letter")
                    .resizable(false)
                    .exact_size(height)
                    .frame(views::paper(ui))
                    .show(ui, |ui| views::letter::show(ui, &self.model, &mut view));
            }
            egui::Frame::new()
                .inner_margin(theme::WIDE)
                .show(ui, |ui| views::compose::show(ui, &mut self.model, &mut view));
        });
        let edited = view.edited;
        let mut desk = self.desk();
        if edited {
            desk.edited(now);
        }
        actions.into_iter().for_each(|action| desk.act(action, now));
        self.schedule(ui.ctx(), Instant::now());
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.desk().save_draft();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui::{Event, Key, Modifiers};

    #[test]
    fn a_frame_ends_behind_a_key_that_moves_the_focus() {
        let key = |key, modifiers| Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers };
        let text = || Event::Text("a".into());
        let tab = || key(Key::Tab, Modifiers::NONE);
        assert_eq!(one_frame(&[text(), tab(), text(), tab()]), 2);
        assert_eq!(one_frame(&[key(Key::Enter, Modifiers::COMMAND), text()]), 1);
        assert_eq!(one_frame(&[text(), key(Key::Enter, Modifiers::NONE), text()]), 3);
        assert_eq!(one_frame(&[]), 0);
    }
}
