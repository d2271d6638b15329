//! The one place where actions and events change what the window shows.

use std::time::{Duration, Instant};

use malote_client::archive::{Draft, News, Recipient, Shelf, State};
use malote_client::{Client, Command, Event, Reader, Status, explain};
use malote_texts::Texts;

use crate::action::Action;
use crate::model::{Field, Form, List, Model, Opened, SentList, Undo};

/// How long typing may go on before the draft is written to disk.
pub const DRAFT_PAUSE: Duration = Duration::from_millis(700);

/// What actions and events work on.
pub struct Desk<'a> {
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
            Action::Send => self.send(),
            Action::ClearForm => self.clear_form(now),
            Action::New => {
                if !self.model.form.is_empty() {
                    self.clear_form(now);
                }
                self.model.form.focus = Some(Field::To);
            }
            Action::Reply => self.reply(now),
            Action::Close => self.model.open = None,
            Action::ClearInbox => self.clear_inbox(now),
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
            Action::ShowInbox => self.show(List::Inbox),
            Action::ShowSent => self.show(List::Sent),
            Action::Open(row) => self.open(row),
            Action::OpenSent(row) => self.open_sent(row),
            Action::EditAgain => self.edit_again(now),
            Action::OpenNext => self.open_neighbour(1),
            Action::OpenPrevious => self.open_neighbour(-1),
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
        }
    }

    /// Takes in what the client tells.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Status(status) => {
                match &status {
                    Status::Online { name, .. } => self.model.name = Some(name.to_string()),
                    _ => self.model.people.disconnected(),
                }
                self.model.status = status;
            }
            Event::People { people, complete } => {
                self.model.people.update(people);
                if complete {
                    self.model.people.set_complete();
                }
            }
            Event::Queued { token, .. } => {
                // The disk takes what is written again.
                self.model.trouble = None;
                if self.model.form.sending == Some(token) {
                    self.model.form = Form { focus: Some(Field::To), ..Form::default() };
                }
            }
            Event::News(news) => self.refresh(news),
            Event::CaughtUp
            | Event::Rooms { .. }
            | Event::Members { .. }
            | Event::Member { .. }
            | Event::Entered { .. }
            | Event::Left { .. }
            | Event::RoomRefused { .. }
            | Event::Named { .. }
            | Event::NameRefused { .. } => {}
            Event::NotQueued { token } => {
                if self.model.form.sending == Some(token) {
                    self.model.form.sending = None;
                }
            }
            Event::NotKept(error) => {
                let (why, kept) = (explain::archive_error(&error, self.texts), self.texts.get("form-kept"));
                self.model.trouble = Some(format!("{why} {kept}"));
            }
        }
    }

    /// The user changed something in the form.
    pub fn edited(&mut self, now: Instant) {
        let form = &mut self.model.form;
        form.problem = None;
        form.changed_at.get_or_insert(now);
        // What is being written now is worth more than what was cleared.
        if !form.is_empty() {
            self.model.undo_form = None;
        }
    }

    /// Writes the draft where it has been changing for long enough, and lets go of what can no longer be undone.
    pub fn settle(&mut self, now: Instant) {
        if self.model.form.changed_at.is_some_and(|at| now >= at + DRAFT_PAUSE) {
            self.save_draft();
        }
        if self.model.undo_form.as_ref().is_some_and(|undo| now >= undo.until) {
            self.model.undo_form = None;
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
        self.reload_inbox();
        let rows = self.reader.sent_rows();
        match rows {
            Ok(rows) => self.model.sent = SentList::new(rows),
            Err(error) => self.fail(&error),
        }
    }

    fn send(&mut self) {
        if self.model.form.sending.is_some() {
            return;
        }
        match self.model.form.check(&self.model.people) {
            Ok((to, content)) => {
                *self.tokens += 1;
                let form = &mut self.model.form;
                form.sending = Some(*self.tokens);
                form.changed_at = None;
                let in_reply_to = form.in_reply_to;
                self.client.command(Command::Send { token: *self.tokens, to, content, in_reply_to });
            }
            Err((field, obstacle)) => {
                self.model.form.problem = Some((field, obstacle));
                self.model.form.focus = Some(field);
            }
        }
    }

    fn clear_form(&mut self, now: Instant) {
        let draft = self.model.form.draft();
        if draft != Draft::default() {
            self.model.undo_form = Some(Undo::new(draft, now));
        }
        self.model.form = Form { focus: Some(Field::To), ..Form::default() };
        self.save_draft();
    }

    fn clear_inbox(&mut self, now: Instant) {
        if self.model.inbox.is_empty() {
            return;
        }
        let wall = std::time::SystemTime::now();
        let clearing = malote_common::Timestamp::from_system(wall).0;
        self.model.undo_inbox = Some(Undo::new(clearing, now));
        if matches!(self.model.open, Some(Opened::Letter(_))) {
            self.model.open = None;
        }
        self.client.command(Command::Clear { clearing, room: None });
    }

    fn reply(&mut self, now: Instant) {
        let Some(Opened::Letter(letter)) = &self.model.open else { return };
        let subject = match letter.subject.trim() {
            "" => String::new(),
            answered if answered.starts_with(REPLY) => answered.to_owned(),
            subject => format!("{REPLY} {subject}"),
        };
        let reply = Form {
            to: letter.from.clone(),
            subject,
            in_reply_to: Some(letter.id),
            reply_to: Some(letter.from.clone()),
            focus: Some(Field::Body),
            ..Form::default()
        };
        if !self.model.form.is_empty() {
            self.clear_form(now);
        }
        self.model.form = reply;
        self.save_draft();
    }

    fn edit_again(&mut self, now: Instant) {
        let Some(Opened::Sent(sent)) = &self.model.open else { return };
        // Those who have it need not get it twice.
        let refused = |recipient: &&Recipient| matches!(recipient.state, State::Refused { .. });
        let to: Vec<&str> = sent.recipients.iter().filter(refused).map(|r| r.address.as_str()).collect();
        let form = Form {
            to: to.join(", "),
            subject: sent.subject.clone(),
            body: sent.body.clone(),
            focus: Some(Field::To),
            ..Form::default()
        };
        if !self.model.form.is_empty() {
            self.clear_form(now);
        }
        self.model.form = form;
        self.save_draft();
    }

    fn show(&mut self, list: List) {
        self.model.list = list;
    }

    fn open(&mut self, row: i64) {
        match self.reader.letter(row) {
            Ok(Some(letter)) => {
                if !letter.read {
                    self.client.command(Command::Open { row, mailbox: letter.mailbox, seq: letter.seq });
                }
                self.model.open = Some(Opened::Letter(letter));
            }
            Ok(None) => {}
            Err(error) => self.fail(&error),
        }
    }

    fn open_sent(&mut self, row: i64) {
        match self.reader.sent_message_at(row) {
            Ok(sent) => self.model.open = sent.map(Opened::Sent),
            Err(error) => self.fail(&error),
        }
    }

    fn open_neighbour(&mut self, step: isize) {
        match self.model.list {
            List::Inbox => {
                let open = self.model.open_row(List::Inbox);
                let rows = || self.model.inbox.iter().rev().map(|summary| summary.row);
                if let Some(row) = neighbour(rows().collect(), open, step) {
                    self.open(row);
                }
            }
            List::Sent => {
                let open = self.model.open_row(List::Sent);
                if let Some(row) = neighbour(self.model.sent.rows.clone(), open, step) {
                    self.open_sent(row);
                }
            }
        }
    }

    fn refresh(&mut self, news: News) {
        match news {
            News::Received(row) => match self.reader.summary(Shelf::Inbox, row) {
                Ok(Some(summary)) if self.model.inbox.last().is_none_or(|last| last.row < row) => {
                    self.model.inbox.push(summary);
                    self.model.arrived += 1;
                }
                Ok(_) => {}
                Err(error) => self.fail(&error),
            },
            News::Changed(row) => {
                if let (Ok(Some(changed)), Ok(index)) = (
                    self.reader.summary(Shelf::Inbox, row),
                    self.model.inbox.binary_search_by_key(&row, |summary| summary.row),
                ) && let Some(summary) = self.model.inbox.get_mut(index)
                {
                    *summary = changed;
                }
            }
            News::InboxChanged => self.reload_inbox(),
            News::RoomsChanged => {}
            News::Sent(row) => {
                self.model.sent.changed(row);
                self.model.last_sent =
                    self.model.sent.rows.first().and_then(|row| self.model.sent.get(*row, self.reader));
                self.refresh_open();
            }
            News::SentChanged => {
                self.model.sent.all_changed();
                let last = self.model.last_sent.as_ref().map(|sent| sent.row);
                self.model.last_sent = last.and_then(|row| self.model.sent.get(row, self.reader));
                self.refresh_open();
            }
        }
    }

    fn refresh_open(&mut self) {
        if let Some(Opened::Sent(sent)) = &self.model.open {
            self.open_sent(sent.row);
        }
    }

    fn reload_inbox(&mut self) {
        match self.reader.summaries(Shelf::Inbox) {
            Ok(inbox) => {
                self.model.inbox = inbox;
                self.model.arrived = 0;
            }
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &malote_client::ArchiveError) {
        self.model.trouble = Some(explain::archive_error(error, self.texts));
    }
}

/// What stands before the subject of an answer, as mail programs write it in every language.
const REPLY: &str = "Re:";

fn neighbour(rows: Vec<i64>, open: Option<i64>, step: isize) -> Option<i64> {
    let index = match open.and_then(|open| rows.iter().position(|row| *row == open)) {
        Some(index) => index.checked_add_signed(step)?,
        None => 0,
    };
    rows.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_a_list() {
        let rows = vec![9, 5, 2];
        assert_eq!(neighbour(rows.clone(), None, 1), Some(9));
        assert_eq!(neighbour(rows.clone(), Some(9), 1), Some(5));
        assert_eq!(neighbour(rows.clone(), Some(9), -1), None);
        assert_eq!(neighbour(rows.clone(), Some(2), 1), None);
        assert_eq!(neighbour(rows, Some(77), -1), Some(9));
    }
}
