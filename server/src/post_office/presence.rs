//! Which sessions there are, whose they are, and what each may read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use malote_common::frame::Membership;
use malote_common::{DeviceId, MailboxId, Name, Seq};

use super::SessionId;
use crate::store::{Login, PersonId};

/// Everybody who is here.
#[derive(Default)]
pub struct Presence {
    sessions: HashMap<SessionId, Present>,
    /// The session of each device; those of one person stand side by side.
    devices: BTreeMap<(PersonId, DeviceId), SessionId>,
    /// The sessions that want a mailbox's new entries.
    readers: HashMap<MailboxId, BTreeSet<SessionId>>,
    /// The sessions that want to know who comes and goes.
    watchers: HashSet<SessionId>,
}

/// A session that has logged in.
pub struct Present {
    pub person: PersonId,
    pub name: Name,
    pub device: DeviceId,
    /// The person's own mailbox.
    pub mailbox: MailboxId,
    /// The rooms that the person is in, with the first entry of each that they may see.
    rooms: HashMap<MailboxId, Seq>,
}

impl Presence {
    pub fn count(&self) -> usize {
        self.sessions.len()
    }

    pub fn get(&self, session: SessionId) -> Option<&Present> {
        self.sessions.get(&session)
    }

    pub fn is_connected(&self, person: PersonId) -> bool {
        self.of_person(person).next().is_some()
    }

    /// The session of this device.
    pub fn of_device(&self, person: PersonId, device: DeviceId) -> Option<SessionId> {
        self.devices.get(&(person, device)).copied()
    }

    /// All sessions of a person.
    pub fn of_person(&self, person: PersonId) -> impl Iterator<Item = SessionId> {
        let (first, last) = (DeviceId([0; 16]), DeviceId([0xff; 16]));
        self.devices.range((person, first)..=(person, last)).map(|(_, session)| *session)
    }

    /// The sessions that want a mailbox's new entries.
    pub fn readers(&self, mailbox: MailboxId) -> impl Iterator<Item = SessionId> {
        self.readers.get(&mailbox).into_iter().flatten().copied()
    }

    pub fn watchers(&self) -> impl Iterator<Item = SessionId> {
        self.watchers.iter().copied()
    }

    pub fn add(&mut self, session: SessionId, device: DeviceId, login: &Login) {
        self.devices.insert((login.person, device), session);
        let rooms = login.rooms.iter().map(|room| (room.mailbox, room.first)).collect();
        let (person, name, mailbox) = (login.person, login.name.clone(), login.mailbox);
        self.sessions.insert(session, Present { person, name, device, mailbox, rooms });
    }

    pub fn remove(&mut self, session: SessionId) -> Option<Present> {
        let present = self.sessions.remove(&session)?;
        self.devices.remove(&(present.person, present.device));
        self.watchers.remove(&session);
        for mailbox in present.rooms.keys().chain([&present.mailbox]) {
            self.stop_reading(session, *mailbox);
        }
        Some(present)
    }

    /// The first entry of a mailbox that a session may see; nothing where it may see none.
    pub fn may_read(&self, session: SessionId, mailbox: MailboxId) -> Option<Seq> {
        let present = self.sessions.get(&session)?;
        if present.mailbox == mailbox { Some(1) } else { present.rooms.get(&mailbox).copied() }
    }

    pub fn watch(&mut self, session: SessionId) {
        self.watchers.insert(session);
    }

    /// From now on the session is told of a mailbox's new entries.
    pub fn read(&mut self, session: SessionId, mailbox: MailboxId) {
        self.readers.entry(mailbox).or_default().insert(session);
    }

    fn stop_reading(&mut self, session: SessionId, mailbox: MailboxId) {
        if let Some(readers) = self.readers.get_mut(&mailbox) {
            readers.remove(&session);
            if readers.is_empty() {
                self.readers.remove(&mailbox);
            }
        }
    }

    /// The person is in this room now.
    pub fn enter(&mut self, person: PersonId, room: &Membership) {
        for session in self.of_person(person).collect::<Vec<_>>() {
            if let Some(present) = self.sessions.get_mut(&session) {
                present.rooms.insert(room.mailbox, room.first);
            }
        }
    }

    /// The person is not in this room any more, and sees nothing more of it.
    pub fn leave(&mut self, person: PersonId, room: MailboxId) {
        for session in self.of_person(person).collect::<Vec<_>>() {
            if let Some(present) = self.sessions.get_mut(&session) {
                present.rooms.remove(&room);
            }
            self.stop_reading(session, room);
        }
    }

    pub fn rename(&mut self, person: PersonId, name: &Name) {
        for session in self.of_person(person).collect::<Vec<_>>() {
            if let Some(present) = self.sessions.get_mut(&session) {
                present.name = name.clone();
            }
        }
    }
}
