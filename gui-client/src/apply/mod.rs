//! The one place where actions and events change what the window shows.

mod form;
mod lists;
mod places;
mod search;

use std::time::{Duration, Instant, SystemTime};

use eframe::egui;
use malote_client::{Checkup, Client, Command, Event, Reader, Status, explain};
use malote_common::Timestamp;
use malote_texts::Texts;

use crate::action::Action;
use crate::company::Company;
use crate::model::{Field, Form, Model};

/// How long typing may go on before the draft is written to disk.
pub const DRAFT_PAUSE: Duration = Duration::from_millis(700);

/// What actions and events work on.
pub struct Desk<'a> {
    /// To be woken by what goes on beside the window.
    pub ctx: &'a egui::Context,
    pub model: &'a mut Model,
    pub client: &'a Client,
    pub reader: &'a Reader,
    pub texts: &'a Texts,
    /// Grows with each message that is handed over.
    pub tokens: &'a mut u64,
}

impl Desk<'_> {
    /// Does what the user wants.
    pub fn act(&mut self, action: Action, now: Instant) {
        match action {
            Action::Send => self.send(false),
            Action::SendToEverybody => self.send(true),
            Action::DoNotSend => {
                self.model.form.asked_everybody = false;
                self.model.form.focus = Some(Field::Body);
            }
            Action::ClearForm => self.clear_form(now),
            Action::New => {
                if !self.model.form.is_empty() {
                    self.clear_form(now);
                }
                self.model.form.focus = Some(Field::To);
            }
            Action::Reply => self.reply(now),
            Action::Close => self.close(),
            Action::ClearList => self.clear_list(now),
            Action::UndoClearForm => {
                if let Some(undo) = self.model.undo_form.take() {
                    self.model.form = Form::from_draft(undo.what);
                    self.model.form.focus = Some(Field::Body);
                    self.save_draft();
                }
            }
            Action::UndoClearInbox => {
                if let Some(undo) = self.model.undo_inbox.take() {
                    self.client.command(Command::Restore { clearing: undo.what });
                }
            }
            Action::ConnectNow => self.client.command(Command::ConnectNow),
            Action::AskTrust => self.model.asked_trust = true,
            Action::Trust(fingerprint) => {
                self.model.asked_trust = false;
                self.client.command(Command::Trust(fingerprint));
            }
            Action::Show(list) => self.show(list),
            Action::NextPlace => self.show_neighbour(1),
            Action::PreviousPlace => self.show_neighbour(-1),
            Action::FindRoom => self.find_room(),
            Action::EnterRoom(room) => self.enter_room(room, false),
            Action::LeaveRoom(mailbox) => self.leave_room(mailbox),
            Action::AskName => self.ask_name(false),
            Action::TakeName => self.take_name(),
            Action::SkipName => self.skip_name(),
            Action::Open(row) => self.open(row),
            Action::OpenSent(row) => self.open_sent(row),
            Action::EditAgain => self.edit_again(now),
            Action::OpenNext => self.open_neighbour(1),
            Action::OpenPrevious => self.open_neighbour(-1),
            Action::Search => self.model.search.focus = true,
            Action::Find => self.find(),
            Action::EndSearch => self.end_search(),
            Action::OpenFound => self.open_found(),
            Action::Complete(name) => {
                self.model.form.complete(&name);
                self.model.form.suggestion = 0;
                self.model.form.offers = false;
                self.model.form.focus = Some(Field::To);
                self.edited(now);
            }
            Action::TellRead(tell) => {
                self.model.tells_read = tell;
                self.client.command(Command::TellRead(tell));
            }
            Action::Diagnose | Action::DiagnoseAgain => self.diagnose(),
            Action::CloseDiagnosis => self.model.checkup = None,
            Action::ChangeServer => self.model.leaving = true,
        }
    }

    /// Takes in what the client tells.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Status(status) => self.take_status(status),
            Event::People { people, complete } => {
                self.model.people.update(people);
                self.model.stale.roster = true;
                if complete {
                    self.model.people.set_complete();
                }
            }
            Event::Presence { people } => {
                let at = Timestamp::from_system(SystemTime::now());
                for person in people.iter().filter(|person| Some(person.number) != self.model.number) {
                    self.model.companies.values_mut().for_each(|company| company.present(person, at));
                }
                self.model.people.update(people);
                self.model.stale.roster = true;
            }
            Event::Queued { token, .. } => {
                // The disk takes what is written again.
                self.model.trouble = None;
                if self.model.form.sending == Some(token) {
                    self.model.form = Form { focus: Some(Field::To), ..Form::default() };
                    self.refill();
                }
            }
            Event::News(news) => self.refresh(news),
            Event::CaughtUp => {}
            Event::Rooms { .. }
            | Event::Members { .. }
            | Event::Member { .. }
            | Event::Entered { .. }
            | Event::Left { .. }
            | Event::RoomRefused { .. }
            | Event::Named { .. }
            | Event::NameRefused { .. } => self.take_place(event),
            Event::NotQueued { token } => {
                if self.model.form.sending == Some(token) {
                    self.model.form.sending = None;
                    // The draft on disk may be an older one, and goes on being saved.
                    self.model.form.changed_at = Some(Instant::now());
                }
            }
            Event::NotKept(error) => {
                let (why, kept) = (explain::archive_error(&error, self.texts), self.texts.get("form-kept"));
                self.model.trouble = Some(format!("{why} {kept}"));
                // Saving the draft may have been what failed. It is tried until the disk takes it; while it is being sent,
                // it is on its way to the disk as a message.
                if !self.model.form.is_empty() && self.model.form.sending.is_none() {
                    self.model.form.changed_at.get_or_insert_with(Instant::now);
                }
            }
            Event::KeptAgain => self.model.trouble = None,
        }
    }

    fn take_status(&mut self, status: Status) {
        match &status {
            Status::Online { name, number } => {
                self.model.name = Some(name.to_string());
                self.model.number = Some(*number);
                if name.given_number().is_some() {
                    self.ask_name_once();
                }
                if self.model.room_finder.rooms.is_some() {
                    self.client.command(Command::ListRooms);
                }
            }
            _ => {
                self.model.people.disconnected();
                self.model.companies.values_mut().for_each(Company::disconnected);
            }
        }
        self.model.stale.roster = true;
        self.model.status = status;
    }

    /// The user changed something in the form.
    pub fn edited(&mut self, now: Instant) {
        let form = &mut self.model.form;
        form.problem = None;
        form.asked_everybody = false;
        form.changed_at.get_or_insert(now);
        // What is being written now is worth more than what was cleared.
        if !form.is_empty() {
            self.model.undo_form = None;
        }
    }

    /// Looks up what was overtaken by events, writes the draft where it has been changing for long enough, and lets go of
    /// what can no longer be undone.
    pub fn settle(&mut self, now: Instant) {
        self.look_up();
        if self.model.form.changed_at.is_some_and(|at| now >= at + DRAFT_PAUSE) {
            self.save_draft();
        }
        if self.model.undo_form.as_ref().is_some_and(|undo| now >= undo.until) {
            self.model.undo_form = None;
        }
        if let Some(checkup) = &mut self.model.checkup {
            checkup.update();
        }
        if self.model.undo_inbox.as_ref().is_some_and(|undo| now >= undo.until) {
            self.model.undo_inbox = None;
        }
    }

    /// Writes the draft now.
    pub fn save_draft(&mut self) {
        self.model.form.changed_at = None;
        self.client.command(Command::SaveDraft(self.model.form.draft()));
    }

    /// Reads everything from the archive, as when the window opens.
    pub fn reload(&mut self) {
        self.reload_lists();
        (self.model.stale.rooms, self.model.stale.unread) = (true, true);
        self.look_up();
    }

    fn diagnose(&mut self) {
        let server = self.model.server.clone();
        let known = match self.reader.fingerprint_at(&server.to_string()) {
            Ok(known) => known,
            Err(error) => return self.fail(&error),
        };
        let ctx = self.ctx.clone();
        match Checkup::start(server, known, move || ctx.request_repaint()) {
            Ok(checkup) => self.model.checkup = Some(checkup),
            Err(error) => self.model.trouble = Some(error.to_string()),
        }
    }

    fn fail(&mut self, error: &malote_client::ArchiveError) {
        self.model.trouble = Some(explain::archive_error(error, self.texts));
    }
}
