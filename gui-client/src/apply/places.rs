//! Rooms, people and names: which place is in view, and what is asked of the server about it.

use std::time::SystemTime;

use malote_client::archive::Shelf;
use malote_client::{Command, Event, explain};
use malote_common::{MailboxId, Name, Timestamp};

use super::Desk;
use crate::company;
use crate::listed::Search;
use crate::model::{Field, List, Naming};

impl Desk<'_> {
    /// Brings a place into view, and fills in its address.
    pub(super) fn show(&mut self, list: List) {
        self.model.list = list;
        self.model.search = Search::default();
        self.model.stale.roster = true;
        self.model.undo_inbox = None;
        self.reload_shelf();
        match list {
            // In the room of everybody are all whom the side bar shows anyway.
            List::Room(mailbox) if self.model.room().is_some_and(|room| !room.is_everybody()) => {
                self.client.command(Command::ListMembers { mailbox });
            }
            List::Rooms => {
                self.model.room_finder.focus = true;
                self.client.command(Command::ListRooms);
            }
            _ => {}
        }
        if !matches!(list, List::Sent | List::Rooms | List::Found) {
            let to = self.model.address_of(list);
            self.model.form.fill(to);
        }
    }

    /// The form is empty again: whoever is in view is still whom one writes to.
    pub(super) fn refill(&mut self) {
        if let Some(to) = self.model.address_of(self.model.list) {
            self.model.form.fill(Some(to));
            self.model.form.focus = Some(Field::Subject);
        }
    }

    pub(super) fn show_neighbour(&mut self, step: isize) {
        let places = self.model.places();
        let next = match places.iter().position(|place| *place == self.model.place()) {
            Some(index) => index.checked_add_signed(step),
            None => Some(0),
        };
        if let Some(place) = next.and_then(|index| places.get(index)) {
            self.show(*place);
        }
    }

    /// Closes what is open in front of the rest: the search that is being typed, a question, a message.
    pub(super) fn close(&mut self) {
        if self.model.search.has_focus {
            self.end_search();
        } else if self.model.form.asked_everybody {
            self.model.form.asked_everybody = false;
        } else if self.model.open.is_some() {
            self.model.open = None;
        } else if self.model.list == List::Found {
            self.end_search();
        } else if self.model.naming.is_some() {
            self.skip_name();
        }
    }

    pub(super) fn find_room(&mut self) {
        let typed = self.model.room_finder.typed.trim();
        match Name::parse(typed.strip_prefix('#').unwrap_or(typed)) {
            Ok(room) => self.enter_room(room, true),
            Err(error) => self.model.room_finder.problem = Some(explain::name_error(&error, self.texts)),
        }
    }

    pub(super) fn enter_room(&mut self, room: Name, create: bool) {
        self.model.room_finder.problem = None;
        self.model.room_finder.entering = Some(room.clone());
        self.client.command(Command::Enter { room, create });
    }

    pub(super) fn leave_room(&mut self, mailbox: MailboxId) {
        if let Some(room) = self.model.room_of(mailbox) {
            self.client.command(Command::Leave { room: room.name.clone() });
        }
    }

    /// Asks for a name, by itself only once in a profile's life.
    pub(super) fn ask_name_once(&mut self) {
        match self.reader.asked_name() {
            Ok(false) if self.model.naming.is_none() => self.ask_name(true),
            Ok(_) => {}
            Err(error) => self.fail(&error),
        }
    }

    pub(super) fn ask_name(&mut self, is_first: bool) {
        let chosen = self.model.name.as_deref().and_then(|name| Name::parse(name).ok());
        let typed = chosen.filter(|name| name.given_number().is_none()).map(String::from).unwrap_or_default();
        // What comes by itself takes the keyboard from nobody: they may have begun to write.
        self.model.naming = Some(Naming { typed, is_first, focus: !is_first, ..Naming::default() });
    }

    pub(super) fn take_name(&mut self) {
        let Some(naming) = &mut self.model.naming else { return };
        let wish = match naming.typed.trim() {
            "" if naming.is_first => return self.skip_name(),
            "" => None,
            typed => match Name::parse(typed) {
                Ok(name) => Some(name),
                Err(error) => {
                    naming.problem = Some(explain::name_error(&error, self.texts));
                    naming.focus = true;
                    return;
                }
            },
        };
        (naming.waiting, naming.problem) = (true, None);
        self.client.command(Command::TakeName { name: wish });
    }

    pub(super) fn skip_name(&mut self) {
        self.model.naming = None;
        self.client.command(Command::AskedName);
        self.model.form.focus = Some(Field::To);
    }

    /// Takes in what the client tells about rooms and names.
    pub(super) fn take_place(&mut self, event: Event) {
        let at = Timestamp::from_system(SystemTime::now());
        self.model.stale.roster = true;
        let finder = &mut self.model.room_finder;
        match event {
            Event::Rooms { rooms } => finder.rooms = Some(rooms),
            Event::Members { mailbox, people } => self.model.companies.entry(mailbox).or_default().replace(people),
            Event::Member { mailbox, person, entered } if Some(person.number) != self.model.number => {
                // Who is in a room that was never looked at is asked when it is.
                if let Some(company) = self.model.companies.get_mut(&mailbox) {
                    company.moved(person, entered, at);
                }
            }
            Event::Entered { room, mailbox, .. } => {
                self.model.stale.rooms = true;
                if finder.entering.as_ref().is_some_and(|entering| entering.folded() == room.folded()) {
                    (finder.entering, finder.problem) = (None, None);
                    finder.typed.clear();
                    self.look_up();
                    self.show(List::Room(mailbox));
                    self.model.form.focus = Some(Field::Subject);
                }
            }
            Event::Left { mailbox, .. } => {
                self.model.companies.remove(&mailbox);
                self.model.stale.rooms = true;
                if self.model.list == List::Room(mailbox) {
                    self.show(List::Inbox);
                }
                if self.model.search.before == List::Room(mailbox) {
                    self.model.search.before = List::Inbox;
                }
            }
            Event::RoomRefused { room, why } => {
                finder.problem = Some(explain::room_refusal(&room, &why, self.texts));
                finder.entering = None;
                if self.model.list != List::Rooms {
                    self.show(List::Rooms);
                }
            }
            Event::Named { name } => {
                self.model.name = Some(name.to_string());
                if self.model.naming.as_ref().is_some_and(|naming| naming.waiting) {
                    self.skip_name();
                }
            }
            Event::NameRefused { name, why } => {
                if let Some(naming) = &mut self.model.naming {
                    naming.problem = Some(explain::name_refusal(&name, &why, self.texts));
                    (naming.waiting, naming.focus) = (false, true);
                }
            }
            _ => {}
        }
    }

    /// Looks up again what was overtaken by events.
    pub(super) fn look_up(&mut self) {
        let stale = std::mem::take(&mut self.model.stale);
        if stale.arrivals {
            self.look_up_arrivals();
        }
        if stale.unread {
            match self.reader.unread(Shelf::Inbox) {
                Ok(count) => self.model.unread = count,
                Err(error) => self.fail(&error),
            }
        }
        if stale.found {
            self.find_again();
        }
        if stale.rooms {
            match self.reader.rooms() {
                Ok(rooms) => self.model.rooms = rooms,
                Err(error) => self.fail(&error),
            }
        }
        if stale.roster {
            self.model.roster = match self.model.company() {
                Some(company) => company.roster(),
                None => company::roster(&self.model.people, self.model.number),
            };
        }
    }
}
