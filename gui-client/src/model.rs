//! What the window shows, as plain data.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use malote_client::archive::{Draft, KnownRoom, Letter, Sent, Shelf, Summary};
use malote_client::{Checkup, People, ServerAddress, Status};
use malote_common::address::AddressError;
use malote_common::frame::{Person, Room};
use malote_common::message::ContentError;
use malote_common::{Address, Content, MailboxId, MessageId, Name};

use crate::company::Company;
use crate::listed::{Listed, Search};

/// For how long something can be undone.
pub const UNDO_FOR: Duration = Duration::from_secs(10);

/// Names offered for what is being typed.
pub const SUGGESTIONS: usize = 6;

/// Everything that views read.
pub struct Model {
    pub server: ServerAddress,
    /// Who we are, once it is known.
    pub name: Option<String>,
    /// Our number, the one in `UsuarioN`, once it is known.
    pub number: Option<u64>,
    pub status: Status,
    pub people: People,
    /// Those whom the side bar shows: the others, or all in the room in view; those connected first.
    pub roster: Vec<Person>,
    /// The rooms that we are in, that of everybody first.
    pub rooms: Vec<KnownRoom>,
    /// Who is in the rooms that were looked at.
    pub companies: HashMap<MailboxId, Company>,
    pub list: List,
    pub inbox: Listed<i64, Summary>,
    /// How many in the inbox were not opened.
    pub unread: usize,
    /// The messages of the room or person in view.
    pub shelf: Listed<i64, Summary>,
    /// Messages that came since the list was last drawn.
    pub arrived: usize,
    pub sent: Listed<i64, Sent>,
    pub search: Search,
    /// Whether the list is to be given the focus.
    pub focus_list: bool,
    pub open: Option<Opened>,
    pub form: Form,
    pub last_sent: Option<Sent>,
    pub undo_form: Option<Undo<Draft>>,
    pub undo_inbox: Option<Undo<i64>>,
    pub room_finder: RoomFinder,
    /// The question for a name, while it is asked.
    pub naming: Option<Naming>,
    /// What has changed and is to be looked up again before the next frame.
    pub stale: Stale,
    /// Something that went wrong with this computer's disk.
    pub trouble: Option<String>,
    /// The user was shown what trusting a new key means.
    pub asked_trust: bool,
    pub tells_read: bool,
    /// The test of the connection that is in view.
    pub checkup: Option<Checkup>,
    /// The user wants to go to another server.
    pub leaving: bool,
}

/// Which list is in view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum List {
    Inbox,
    Sent,
    /// What was written in a room.
    Room(MailboxId),
    /// What the person with this number wrote to us or to everybody.
    Person(u64),
    /// The rooms that there are.
    Rooms,
    /// What was found in all places.
    Found,
}

impl List {
    /// The received messages that it shows, where it shows any.
    pub fn shelf(self) -> Option<Shelf> {
        match self {
            List::Inbox => Some(Shelf::Inbox),
            List::Room(mailbox) => Some(Shelf::Room(mailbox)),
            List::Person(number) => Some(Shelf::From(number)),
            List::Sent | List::Rooms | List::Found => None,
        }
    }
}

/// A name that is offered for the one that is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    pub name: String,
    /// As lists show it.
    pub label: String,
    pub connected: bool,
}

/// Looking for a room, or making one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomFinder {
    /// All rooms, as last told; nothing until then.
    pub rooms: Option<Vec<Room>>,
    pub typed: String,
    /// Why that room cannot be entered.
    pub problem: Option<String>,
    /// The room that is being entered; it comes into view when we are in it.
    pub entering: Option<Name>,
    /// Whether the field for a room's name is to be given the focus.
    pub focus: bool,
}

/// The question for a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    pub typed: String,
    /// Why that name cannot be had.
    pub problem: Option<String>,
    /// The server is being asked.
    pub waiting: bool,
    /// Whether it is asked by itself, of somebody who is here for the first time.
    pub is_first: bool,
    /// Whether its field is to be given the focus.
    pub focus: bool,
}

/// What was overtaken by events. A flood of them is looked up once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stale {
    pub roster: bool,
    pub rooms: bool,
    /// Messages came.
    pub arrivals: bool,
    pub unread: bool,
    pub found: bool,
}

/// What is open for reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    Letter(Letter),
    Sent(Sent),
}

/// The compose form.
#[derive(Clone, Debug, Default)]
pub struct Form {
    pub to: String,
    pub subject: String,
    pub body: String,
    pub in_reply_to: Option<MessageId>,
    /// Whom the answer goes to, for the line that says so.
    pub reply_to: Option<String>,
    /// What keeps the message from being sent, and where.
    pub problem: Option<(Field, Obstacle)>,
    /// Where the cursor is to go.
    pub focus: Option<Field>,
    /// The message that is being written to disk; the form empties when it is there.
    pub sending: Option<u64>,
    /// Whether names are offered: from the first letter on, or when asked for.
    pub offers: bool,
    /// Which of the offered names is chosen.
    pub suggestion: usize,
    /// When the draft on disk began to differ from what stands here.
    pub changed_at: Option<Instant>,
    /// The recipient that was put here by choosing a place, and may be replaced by choosing another.
    pub filled: Option<String>,
    /// The user was asked whether it is really for everybody.
    pub asked_everybody: bool,
    /// Whether the answer to that is to be given the focus.
    pub focus_answer: bool,
}

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    To,
    Subject,
    Body,
}

/// Why a message cannot be sent as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    Address(AddressError),
    Unknown(Address),
    Content(ContentError),
}

/// Something that can be undone for a while.
#[derive(Clone, Debug)]
pub struct Undo<T> {
    pub what: T,
    pub until: Instant,
}

impl<T> Undo<T> {
    pub fn new(what: T, now: Instant) -> Undo<T> {
        Undo { what, until: now + UNDO_FOR }
    }
}

impl Form {
    pub fn draft(&self) -> Draft {
        Draft {
            to: self.to.clone(),
            subject: self.subject.clone(),
            body: self.body.clone(),
            in_reply_to: self.in_reply_to,
        }
    }

    pub fn from_draft(draft: Draft) -> Form {
        let Draft { to, subject, body, in_reply_to } = draft;
        Form { to, subject, body, in_reply_to, ..Form::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.draft() == Draft::default()
    }

    /// What would be sent, or what stands in the way.
    pub fn check(&self, people: &People) -> Result<(Vec<Address>, Content), (Field, Obstacle)> {
        let to = Address::parse_list(&self.to).map_err(|error| (Field::To, Obstacle::Address(error)))?;
        if let Some(unknown) = to.iter().find(|address| people.is_unknown(address)) {
            return Err((Field::To, Obstacle::Unknown(unknown.clone())));
        }
        let content = Content { subject: self.subject.trim().to_owned(), body: self.body.clone() };
        content.check().map_err(|error| match error {
            ContentError::SubjectTooLong { .. } => (Field::Subject, Obstacle::Content(error)),
            ContentError::BodyTooLong { .. } => (Field::Body, Obstacle::Content(error)),
        })?;
        Ok((to, content))
    }

    /// Puts a recipient here, unless the user has written somebody else's name.
    pub fn fill(&mut self, to: Option<String>) {
        let is_ours = self.filled.as_deref() == Some(self.to.trim());
        if self.to.trim().is_empty() || (is_ours && self.in_reply_to.is_none()) {
            self.to = to.clone().unwrap_or_default();
            self.filled = to;
            self.problem = None;
            self.asked_everybody = false;
        }
    }

    /// The name that is being typed: what stands behind the last separator.
    pub fn typed_name(&self) -> &str {
        self.to.rsplit([',', ';']).next().unwrap_or("").trim()
    }

    /// Puts a name into the place of the one that is being typed, ready for the next.
    pub fn complete(&mut self, name: &str) {
        let keep = self.to.rfind([',', ';']).map_or(0, |separator| separator + 1);
        self.to.truncate(keep);
        if keep > 0 {
            self.to.push(' ');
        }
        self.to.push_str(name);
        self.to.push_str(", ");
    }
}

impl Model {
    /// What a window shows before it knows anything.
    pub fn new(server: ServerAddress) -> Model {
        Model {
            server,
            name: None,
            number: None,
            status: Status::Connecting,
            people: People::default(),
            roster: Vec::new(),
            rooms: Vec::new(),
            companies: HashMap::new(),
            list: List::Inbox,
            inbox: Listed::default(),
            unread: 0,
            shelf: Listed::default(),
            arrived: 0,
            sent: Listed::default(),
            search: Search::default(),
            focus_list: false,
            open: None,
            form: Form { focus: Some(Field::To), ..Form::default() },
            last_sent: None,
            undo_form: None,
            undo_inbox: None,
            room_finder: RoomFinder::default(),
            naming: None,
            stale: Stale::default(),
            trouble: None,
            asked_trust: false,
            tells_read: true,
            checkup: None,
            leaving: false,
        }
    }

    pub fn is_online(&self) -> bool {
        matches!(self.status, Status::Online { .. })
    }

    /// The row of the message that is open, if it can stand in the list in view.
    pub fn open_row(&self) -> Option<i64> {
        match (&self.open, self.list) {
            (Some(Opened::Sent(sent)), List::Sent | List::Found) => Some(sent.row),
            (Some(Opened::Letter(letter)), list) if list != List::Sent => Some(letter.row),
            _ => None,
        }
    }

    /// The list of received messages in view, where it is one.
    pub fn letters(&self) -> Option<&Listed<i64, Summary>> {
        match self.list {
            List::Inbox => Some(&self.inbox),
            List::Room(_) | List::Person(_) => Some(&self.shelf),
            List::Sent | List::Rooms | List::Found => None,
        }
    }

    /// How many messages the list in view has.
    pub fn count(&self) -> usize {
        match self.list {
            List::Sent => self.sent.len(),
            List::Found => self.search.found.len(),
            _ => self.letters().map_or(0, Listed::len),
        }
    }

    /// The place in view, or behind what was found.
    pub fn place(&self) -> List {
        if self.list == List::Found { self.search.before } else { self.list }
    }

    /// The room in view.
    pub fn room(&self) -> Option<&KnownRoom> {
        match self.list {
            List::Room(mailbox) => self.rooms.iter().find(|room| room.mailbox == mailbox),
            _ => None,
        }
    }

    /// Who is in the room in view, where it is not that of everybody.
    pub fn company(&self) -> Option<&Company> {
        self.room().filter(|room| !room.is_everybody()).and_then(|room| self.companies.get(&room.mailbox))
    }

    /// A room that we are in.
    pub fn room_of(&self, mailbox: MailboxId) -> Option<&KnownRoom> {
        self.rooms.iter().find(|room| room.mailbox == mailbox)
    }

    /// The address that leads to a place, as it is typed.
    pub fn address_of(&self, list: List) -> Option<String> {
        match list {
            List::Room(mailbox) => self.room_of(mailbox).map(|room| address(room).to_string()),
            List::Person(number) => Some(match self.people.get(number) {
                Some(person) => person.name.to_string(),
                None => Name::given(number).to_string(),
            }),
            List::Inbox | List::Sent | List::Rooms | List::Found => None,
        }
    }

    /// All places in the order of the side bar.
    pub fn places(&self) -> Vec<List> {
        let rooms = self.rooms.iter().map(|room| List::Room(room.mailbox));
        let people = self.roster.iter().map(|person| List::Person(person.number));
        [List::Inbox, List::Sent].into_iter().chain(rooms).chain(people).collect()
    }

    /// An author's name as lists show it.
    pub fn author(&self, from: &str, number: Option<u64>) -> String {
        match (number, Name::parse(from)) {
            (Some(number), Ok(name)) => self.people.label(number, &name),
            _ => malote_common::text::harmless_line(from),
        }
    }

    /// Names to offer for what is being typed: none where it is complete already.
    pub fn suggestions(&self) -> Vec<Suggestion> {
        let typed = self.form.typed_name();
        if typed.starts_with(['#', '@']) {
            let rooms = self.rooms.iter().map(|room| address(room).to_string());
            let begins = |room: &String| room.to_lowercase().starts_with(&typed.to_lowercase()) && room != typed;
            let offered = |room: String| Suggestion { label: room.clone(), name: room, connected: true };
            return rooms.filter(begins).take(SUGGESTIONS).map(offered).collect();
        }
        let named: Vec<String> =
            self.form.to.split([',', ';']).map(|name| name.trim().to_lowercase()).filter(|n| !n.is_empty()).collect();
        let found = self.people.completions(typed, SUGGESTIONS + named.len());
        if found.iter().any(|person| person.name.folded() == typed.to_lowercase()) && found.len() == 1 {
            return Vec::new();
        }
        let fresh = found.into_iter().filter(|person| {
            let folded = person.name.folded();
            folded == typed.to_lowercase() || !named.contains(&folded)
        });
        let offered = |person: &Person| Suggestion {
            name: person.name.to_string(),
            label: self.people.label(person.number, &person.name),
            connected: person.connected,
        };
        fresh.take(SUGGESTIONS).map(offered).collect()
    }
}

/// The address of a room.
pub fn address(room: &KnownRoom) -> Address {
    match room.is_everybody() {
        true => Address::Everybody,
        false => Address::Room(room.name.clone()),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn model() -> Model {
        Model::new(ServerAddress::default())
    }

    fn form(to: &str) -> Form {
        Form { to: to.to_owned(), ..Form::default() }
    }

    #[test]
    fn completes_the_name_that_is_being_typed() {
        for (typed, completed) in [("usu", "Usuario1, "), ("ana,us", "ana, Usuario1, "), ("ana; ", "ana; Usuario1, ")] {
            let mut form = form(typed);
            form.complete("Usuario1");
            assert_eq!(form.to, completed);
        }
    }

    #[test]
    fn obstacles_are_found_before_sending() {
        let mut people = People::default();
        people.update([Person { number: 1, name: Name::given(1), connected: true }]);
        people.set_complete();
        assert!(form("Usuario1, ").check(&people).is_ok());
        assert_eq!(form(" ").check(&people).unwrap_err(), (Field::To, Obstacle::Address(AddressError::Empty)));
        let unknown = Address::parse("bia").unwrap();
        assert_eq!(form("Usuario1, bia").check(&people).unwrap_err(), (Field::To, Obstacle::Unknown(unknown)));
        let long = Form { subject: "é".repeat(500), ..form("Usuario1") };
        let error = Obstacle::Content(ContentError::SubjectTooLong { bytes: 1000 });
        assert_eq!(long.check(&people).unwrap_err(), (Field::Subject, error));
    }

    #[test]
    fn choosing_a_place_replaces_no_name_that_somebody_wrote() {
        let mut form = Form::default();
        form.fill(Some("#obras".into()));
        assert_eq!(form.to, "#obras");
        form.fill(Some("ana".into()));
        assert_eq!(form.to, "ana");
        form.fill(None);
        assert_eq!(form.to, "");
        form.to = "bia".into();
        form.fill(Some("#obras".into()));
        assert_eq!(form.to, "bia");
        form.to = "ana".into();
        form.fill(Some("ana".into()));
        assert_eq!(form.to, "ana");
    }
}
