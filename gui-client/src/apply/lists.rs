//! The lists of messages, and what is open for reading.

use std::time::Instant;

use malote_client::Command;
use malote_client::archive::{News, Shelf};
use malote_common::Timestamp;

use super::Desk;
use crate::model::{List, Opened, SentList, Undo};

impl Desk<'_> {
    /// Reads all lists from the archive.
    pub(super) fn reload_lists(&mut self) {
        self.reload_letters();
        match self.reader.sent_rows() {
            Ok(rows) => self.model.sent = SentList::new(rows),
            Err(error) => self.fail(&error),
        }
    }

    /// Empties the list in view, where it is one that can be emptied.
    pub(super) fn clear_list(&mut self, now: Instant) {
        let room = match self.model.list {
            List::Inbox => None,
            List::Room(mailbox) => Some(mailbox),
            _ => return,
        };
        if self.model.letters().is_empty() {
            return;
        }
        let clearing = Timestamp::from_system(std::time::SystemTime::now()).0;
        self.model.undo_inbox = Some(Undo::new(clearing, now));
        if matches!(self.model.open, Some(Opened::Letter(_))) {
            self.model.open = None;
        }
        self.client.command(Command::Clear { clearing, room });
    }

    pub(super) fn open(&mut self, row: i64) {
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

    pub(super) fn open_sent(&mut self, row: i64) {
        match self.reader.sent_message_at(row) {
            Ok(sent) => self.model.open = sent.map(Opened::Sent),
            Err(error) => self.fail(&error),
        }
    }

    pub(super) fn open_neighbour(&mut self, step: isize) {
        let open = self.model.open_row();
        match self.model.list {
            List::Sent => {
                if let Some(row) = neighbour(&self.model.sent.rows, open, step) {
                    self.open_sent(row);
                }
            }
            _ => {
                let rows: Vec<i64> = self.model.letters().iter().rev().map(|summary| summary.row).collect();
                if let Some(row) = neighbour(&rows, open, step) {
                    self.open(row);
                }
            }
        }
    }

    pub(super) fn refresh(&mut self, news: News) {
        match news {
            News::Received(row) => {
                self.arrived(Shelf::Inbox, row);
                if let Some(shelf) = self.model.list.shelf().filter(|shelf| *shelf != Shelf::Inbox) {
                    self.arrived(shelf, row);
                }
                self.model.stale.rooms = true;
            }
            News::Changed(row) => {
                self.changed(Shelf::Inbox, row);
                if let Some(shelf) = self.model.list.shelf().filter(|shelf| *shelf != Shelf::Inbox) {
                    self.changed(shelf, row);
                }
                self.model.stale.rooms = true;
            }
            News::InboxChanged => {
                self.reload_letters();
                self.model.stale.rooms = true;
            }
            News::RoomsChanged => self.model.stale.rooms = true,
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

    /// A message came, perhaps onto this shelf.
    fn arrived(&mut self, shelf: Shelf, row: i64) {
        let summary = match self.reader.summary(shelf, row) {
            Ok(Some(summary)) => summary,
            Ok(None) => return,
            Err(error) => return self.fail(&error),
        };
        let list = if shelf == Shelf::Inbox { &mut self.model.inbox } else { &mut self.model.shelf };
        if list.last().is_none_or(|last| last.row < row) {
            list.push(summary);
            if self.model.list.shelf() == Some(shelf) {
                self.model.arrived += 1;
            }
        }
    }

    /// A message changed, perhaps one on this shelf.
    fn changed(&mut self, shelf: Shelf, row: i64) {
        let list = if shelf == Shelf::Inbox { &mut self.model.inbox } else { &mut self.model.shelf };
        if let Ok(index) = list.binary_search_by_key(&row, |summary| summary.row)
            && let Ok(Some(changed)) = self.reader.summary(shelf, row)
            && let Some(summary) = list.get_mut(index)
        {
            *summary = changed;
        }
    }

    fn refresh_open(&mut self) {
        if let Some(Opened::Sent(sent)) = &self.model.open {
            self.open_sent(sent.row);
        }
    }

    fn reload_letters(&mut self) {
        match self.reader.summaries(Shelf::Inbox) {
            Ok(inbox) => self.model.inbox = inbox,
            Err(error) => self.fail(&error),
        }
        self.reload_shelf();
    }

    /// Reads the messages of the room or person in view.
    pub(super) fn reload_shelf(&mut self) {
        self.model.arrived = 0;
        let shelf = self.model.list.shelf().filter(|shelf| *shelf != Shelf::Inbox);
        match shelf.map(|shelf| self.reader.summaries(shelf)).transpose() {
            Ok(messages) => self.model.shelf = messages.unwrap_or_default(),
            Err(error) => self.fail(&error),
        }
    }
}

fn neighbour(rows: &[i64], open: Option<i64>, step: isize) -> Option<i64> {
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
        let rows = [9, 5, 2];
        assert_eq!(neighbour(&rows, None, 1), Some(9));
        assert_eq!(neighbour(&rows, Some(9), 1), Some(5));
        assert_eq!(neighbour(&rows, Some(9), -1), None);
        assert_eq!(neighbour(&rows, Some(2), 1), None);
        assert_eq!(neighbour(&rows, Some(77), -1), Some(9));
    }
}
