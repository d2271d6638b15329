//! The lists of messages, and what is open for reading.

use std::time::Instant;

use malote_client::Command;
use malote_client::archive::{Hit, News, Shelf};
use malote_common::Timestamp;

use super::Desk;
use crate::listed::Listed;
use crate::model::{List, Opened, Undo};

impl Desk<'_> {
    /// Reads all lists from the archive.
    pub(super) fn reload_lists(&mut self) {
        self.reload_letters();
        match self.reader.sent_rows() {
            Ok(mut rows) => {
                rows.reverse();
                self.model.sent = Listed::new(rows);
            }
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
        if self.model.count() == 0 {
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
                if let Some(row) = neighbour(self.model.sent.rows(), open, step) {
                    self.open_sent(row);
                }
            }
            List::Found => self.open_found_neighbour(open, step),
            _ => {
                let rows = self.model.letters().map_or(&[][..], Listed::rows);
                if let Some(row) = neighbour(rows, open, step) {
                    self.open(row);
                }
            }
        }
    }

    pub(super) fn refresh(&mut self, news: News) {
        let stale = &mut self.model.stale;
        stale.rooms |= !matches!(news, News::Sent(_) | News::SentChanged);
        stale.found = true;
        match news {
            // A flood of them is looked up once.
            News::Received(_) => (stale.arrivals, stale.unread) = (true, true),
            News::Changed(row) => {
                stale.unread = true;
                self.changed(Shelf::Inbox, row);
                if let Some(shelf) = self.model.list.shelf().filter(|shelf| *shelf != Shelf::Inbox) {
                    self.changed(shelf, row);
                }
                self.model.search.found.changed(Hit::Received(row));
            }
            News::InboxChanged => {
                stale.unread = true;
                self.reload_letters();
            }
            News::RoomsChanged => {}
            News::Sent(row) => {
                if self.model.sent.newest().is_none_or(|newest| row > newest) {
                    self.model.sent.extend([row]);
                }
                self.model.sent.changed(row);
                self.model.search.found.changed(Hit::Sent(row));
                self.look_up_sent(self.model.sent.newest());
            }
            News::SentChanged => {
                self.model.sent.all_changed();
                self.model.search.found.all_changed();
                self.look_up_sent(self.model.last_sent.as_ref().map(|sent| sent.row));
            }
        }
    }

    /// Looks up what became of the message that was sent last, and of the one that is open.
    fn look_up_sent(&mut self, last: Option<i64>) {
        let read = |row| self.reader.sent_message_at(row).ok()?;
        self.model.last_sent = last.and_then(|row| self.model.sent.get(row, read));
        self.refresh_open();
    }

    /// Messages came, perhaps onto the shelf in view.
    pub(super) fn look_up_arrivals(&mut self) {
        self.arrived(Shelf::Inbox);
        if let Some(shelf) = self.model.list.shelf().filter(|shelf| *shelf != Shelf::Inbox) {
            self.arrived(shelf);
        }
    }

    fn arrived(&mut self, shelf: Shelf) {
        let list = if shelf == Shelf::Inbox { &mut self.model.inbox } else { &mut self.model.shelf };
        match self.reader.rows(shelf, list.newest().unwrap_or(0)) {
            Ok(rows) => {
                if self.model.list.shelf() == Some(shelf) {
                    self.model.arrived += rows.len();
                }
                list.extend(rows);
            }
            Err(error) => self.fail(&error),
        }
    }

    /// A message changed, perhaps one on this shelf.
    fn changed(&mut self, shelf: Shelf, row: i64) {
        let list = if shelf == Shelf::Inbox { &mut self.model.inbox } else { &mut self.model.shelf };
        list.changed(row);
        // What was written to everybody is no longer shown as that when it comes to us as well.
        if let Ok(None) = self.reader.summary(shelf, row) {
            list.remove(row);
        }
    }

    fn refresh_open(&mut self) {
        if let Some(Opened::Sent(sent)) = &self.model.open {
            self.open_sent(sent.row);
        }
    }

    fn reload_letters(&mut self) {
        match self.reader.rows(Shelf::Inbox, 0) {
            Ok(rows) => self.model.inbox = Listed::new(rows),
            Err(error) => self.fail(&error),
        }
        self.reload_shelf();
    }

    /// Reads the messages of the room or person in view.
    pub(super) fn reload_shelf(&mut self) {
        self.model.arrived = 0;
        let shelf = self.model.list.shelf().filter(|shelf| *shelf != Shelf::Inbox);
        match shelf.map(|shelf| self.reader.rows(shelf, 0)).transpose() {
            Ok(rows) => self.model.shelf = Listed::new(rows.unwrap_or_default()),
            Err(error) => self.fail(&error),
        }
    }
}

/// The row behind or before the open one, or the first where none is open. Rows are oldest first, and shown the other way
/// round.
pub(super) fn neighbour(rows: &[i64], open: Option<i64>, step: isize) -> Option<i64> {
    match open.map(|open| rows.binary_search(&open)) {
        Some(Ok(index)) => rows.get(index.checked_add_signed(-step)?).copied(),
        _ => rows.last().copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_a_list() {
        let rows = [2, 5, 9];
        assert_eq!(neighbour(&rows, None, 1), Some(9));
        assert_eq!(neighbour(&rows, Some(9), 1), Some(5));
        assert_eq!(neighbour(&rows, Some(9), -1), None);
        assert_eq!(neighbour(&rows, Some(2), 1), None);
        assert_eq!(neighbour(&rows, Some(77), -1), Some(9));
        assert_eq!(neighbour(&[], None, 1), None);
    }
}
