//! What the window shows, as plain data.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use malote_client::archive::{Draft, Letter, Sent, Summary};
use malote_client::{Checkup, People, Reader, ServerAddress, Status};
use malote_common::address::AddressError;
use malote_common::message::ContentError;
use malote_common::{Address, Content, MessageId};

/// For how long something can be undone.
pub const UNDO_FOR: Duration = Duration::from_secs(10);

/// Names offered for what is being typed.
pub const SUGGESTIONS: usize = 6;

/// Sent messages kept in memory around those in view.
const SENT_CACHE: usize = 500;

/// Everything that views read.
pub struct Model {
    pub server: ServerAddress,
    /// Who we are, once it is known.
    pub name: Option<String>,
    pub status: Status,
    pub people: People,
    pub list: List,
    /// Oldest first, as they arrived.
    pub inbox: Vec<Summary>,
    /// Messages that came since the inbox was last drawn.
    pub arrived: usize,
    pub sent: SentList,
    pub open: Option<Opened>,
    pub form: Form,
    pub last_sent: Option<Sent>,
    pub undo_form: Option<Undo<Draft>>,
    pub undo_inbox: Option<Undo<i64>>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Inbox,
    Sent,
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

/// What was sent, newest first: rows are known, and read from the archive where they come into view.
#[derive(Default)]
pub struct SentList {
    pub rows: Vec<i64>,
    cache: RefCell<HashMap<i64, Sent>>,
}

impl SentList {
    pub fn new(rows: Vec<i64>) -> SentList {
        SentList { rows, cache: RefCell::default() }
    }

    /// The message in this row, or nothing where it cannot be read.
    pub fn get(&self, row: i64, reader: &Reader) -> Option<Sent> {
        let mut cache = self.cache.borrow_mut();
        if let Some(sent) = cache.get(&row) {
            return Some(sent.clone());
        }
        let sent = reader.sent_message_at(row).ok()??;
        if cache.len() >= SENT_CACHE {
            cache.clear();
        }
        cache.insert(row, sent.clone());
        Some(sent)
    }

    /// A message is new, or has changed.
    pub fn changed(&mut self, row: i64) {
        if self.rows.first().is_none_or(|newest| row > *newest) {
            self.rows.insert(0, row);
        }
        self.cache.get_mut().remove(&row);
    }

    pub fn all_changed(&mut self) {
        self.cache.get_mut().clear();
    }
}

impl Model {
    pub fn unread(&self) -> usize {
        self.inbox.iter().filter(|summary| !summary.read).count()
    }

    pub fn is_online(&self) -> bool {
        matches!(self.status, Status::Online { .. })
    }

    /// The row of the message that is open, if it stands in this list.
    pub fn open_row(&self, list: List) -> Option<i64> {
        match (&self.open, list) {
            (Some(Opened::Letter(letter)), List::Inbox) => Some(letter.row),
            (Some(Opened::Sent(sent)), List::Sent) => Some(sent.row),
            _ => None,
        }
    }

    /// Names to offer for what is being typed: none where it is complete already.
    pub fn suggestions(&self) -> Vec<(String, bool)> {
        let typed = self.form.typed_name();
        if typed.starts_with(['#', '@']) {
            return Vec::new();
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
        fresh.take(SUGGESTIONS).map(|person| (person.name.to_string(), person.connected)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use malote_common::Name;
    use malote_common::frame::Person;

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
}
