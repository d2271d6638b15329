//! Writing: sending, clearing, answering.

use std::time::Instant;

use malote_client::Command;
use malote_client::archive::{Draft, Place, Recipient, State};
use malote_common::{Address, Name, limits, text};

use super::Desk;
use crate::model::{self, Field, Form, Opened, Undo};

/// What stands before the subject of an answer, as mail programs write it in every language.
const REPLY: &str = "Re:";

impl Desk<'_> {
    /// `is_meant_for_all` where the user has said so: pressing the same key again, or holding it down, says nothing.
    pub(super) fn send(&mut self, is_meant_for_all: bool) {
        if self.model.form.sending.is_some() {
            return;
        }
        match self.model.form.check(&self.model.people) {
            Ok((to, _)) if to.contains(&Address::Everybody) && !is_meant_for_all => {
                let form = &mut self.model.form;
                (form.asked_everybody, form.focus_answer) = (true, !form.asked_everybody);
            }
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

    pub(super) fn clear_form(&mut self, now: Instant) {
        let draft = self.model.form.draft();
        // What only choosing a place has put there is nothing to bring back.
        let is_filled = self.model.form.filled.as_deref() == Some(draft.to.as_str());
        if !(draft == Draft::default() || is_filled && draft == (Draft { to: draft.to.clone(), ..Draft::default() })) {
            self.model.undo_form = Some(Undo::new(draft, now));
        }
        self.model.form = Form { focus: Some(Field::To), ..Form::default() };
        self.save_draft();
    }

    pub(super) fn reply(&mut self, now: Instant) {
        let Some(Opened::Letter(letter)) = &self.model.open else { return };
        // Others' words come into our form, where nothing else makes them harmless.
        let subject = match text::first_words(&letter.subject, limits::SUBJECT_BYTES) {
            answered if answered.is_empty() || answered.starts_with(REPLY) => answered,
            subject => format!("{REPLY} {subject}"),
        };
        // In a room one answers the room; what somebody wrote to everybody, one answers to them.
        // Of another server's mail only the name says anything here.
        let is_from_here = self.reader.is_from_here(letter.row).unwrap_or(false);
        let room = match letter.place {
            _ if !is_from_here => None,
            Place::Room => self.model.room_of(letter.mailbox),
            Place::Everybody if letter.mine => self.model.room_of(letter.mailbox),
            Place::Mail | Place::Everybody => None,
        };
        let to = match (room, letter.number.filter(|_| is_from_here)) {
            (Some(room), _) => model::address(room).to_string(),
            // The name of then may be another's now; the given one leads to its person always.
            (None, Some(number)) => {
                let known = self.model.people.get(number).map(|person| &person.name);
                known.unwrap_or(&Name::given(number)).to_string()
            }
            (None, None) => letter.from.clone(),
        };
        let reply = Form {
            to: to.clone(),
            subject,
            in_reply_to: Some(letter.id),
            reply_to: Some(to),
            focus: Some(Field::Body),
            ..Form::default()
        };
        self.begin(reply, now);
    }

    pub(super) fn edit_again(&mut self, now: Instant) {
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
        self.begin(form, now);
    }

    /// Puts something else into the form; what stood there can be brought back.
    fn begin(&mut self, form: Form, now: Instant) {
        if !self.model.form.is_empty() {
            self.clear_form(now);
        }
        self.model.form = form;
        self.save_draft();
    }
}
