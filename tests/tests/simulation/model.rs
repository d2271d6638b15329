//! What must be true when everything has come to rest, as a simple model of who wrote what to whom.
//!
//! What is true of rooms stands in [`crate::rooms`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use malote_client::archive::State;
use malote_common::{MessageId, Name};

use crate::rooms::InRoom;

/// All that is known of one person after a run.
#[derive(Clone, Debug)]
pub struct Account {
    /// The one in the given name.
    pub number: u64,
    /// All names that the person ever had at the server.
    pub names: BTreeSet<String>,
    /// Every name that the server told this person.
    pub told: BTreeSet<String>,
    /// Whether the authors of opened messages are to learn it.
    pub tells_read: bool,
    /// In the order in which they were written.
    pub wrote: Vec<Wrote>,
    /// What this person's program holds as sent, in its order.
    pub sent: Vec<Sent>,
    /// The messages in this person's mailbox on the server, in order.
    pub mailbox: Vec<Received>,
    /// The messages from it in this person's archive, in order.
    pub archive: Vec<Received>,
    /// What is known here of each room, in the order of all rooms.
    pub rooms: Vec<InRoom>,
}

impl Account {
    /// An account of somebody who has done nothing yet.
    pub fn of(number: u64) -> Account {
        Account {
            number,
            names: BTreeSet::from([Name::given(number).to_string()]),
            told: BTreeSet::new(),
            tells_read: true,
            wrote: Vec::new(),
            sent: Vec::new(),
            mailbox: Vec::new(),
            archive: Vec::new(),
            rooms: Vec::new(),
        }
    }
}

/// A message that a person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrote {
    pub subject: String,
    /// No two messages of a run have the same body.
    pub body: String,
    pub to: Vec<Target>,
    /// The program said that it keeps the message.
    pub queued: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub address: String,
    /// It is the given name of somebody who existed when the message was written. Otherwise it depends on when it goes out.
    pub existed: bool,
}

impl Target {
    /// Whether it is a room or everybody.
    fn is_room(&self) -> bool {
        self.address.starts_with(['#', '@'])
    }
}

/// A message that a person's program holds as sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub id: MessageId,
    pub subject: String,
    pub body: String,
    /// What became of it, by address.
    pub recipients: Vec<(String, State)>,
}

/// A message that reached a person.
#[derive(Clone, Debug)]
pub struct Received {
    pub id: MessageId,
    pub from: String,
    /// The author's.
    pub number: u64,
    pub subject: String,
    pub body: String,
    pub opened: bool,
}

/// Checks everything; the error says what is wrong.
pub fn check(accounts: &[Account]) -> Result<(), String> {
    let people = People::new(accounts)?;
    for (name, account) in &people.by_name {
        let check = || {
            sent_is_what_was_written(account)?;
            mailbox_and_archive_agree(account)?;
            people.nothing_arrived_that_was_not_sent(account)?;
            people.every_recipient_has_its_fate(account)
        };
        check().map_err(|why| format!("{name}: {why}"))?;
    }
    people.authors_are_heard_in_order()
}

/// Accounts by their given names.
struct People<'a> {
    by_name: BTreeMap<String, &'a Account>,
    /// Everything that was sent, with its author.
    sent: HashMap<MessageId, (&'a Account, &'a Sent)>,
}

impl<'a> People<'a> {
    /// Fails where given names are not `Usuario0`, `Usuario1`, …, or a person was told a name that is not theirs.
    fn new(accounts: &'a [Account]) -> Result<People<'a>, String> {
        let mut by_name = BTreeMap::new();
        let mut sent = HashMap::new();
        for account in accounts {
            let given = Name::given(account.number).to_string();
            ensure(account.names.contains(&given), || format!("{given} was never called so"))?;
            ensure(account.told.is_subset(&account.names), || {
                format!("{given} was told the names {:?}", account.told)
            })?;
            by_name.insert(given, account);
            sent.extend(account.sent.iter().map(|message| (message.id, (account, message))));
        }
        let expected: BTreeSet<String> = (0..accounts.len() as u64).map(|n| Name::given(n).to_string()).collect();
        ensure(by_name.keys().eq(expected.iter()), || format!("the names are {:?}", by_name.keys()))?;
        Ok(People { by_name, sent })
    }

    /// Whom an address leads to, or once did; names are the same in any case, and nobody takes another's here.
    fn find(&self, address: &str) -> Option<&'a Account> {
        let is_theirs =
            |account: &&&Account| account.names.iter().any(|name| name.to_lowercase() == address.to_lowercase());
        self.by_name.values().find(is_theirs).copied()
    }

    fn nothing_arrived_that_was_not_sent(&self, account: &Account) -> Result<(), String> {
        for copy in account.mailbox.iter().chain(&account.archive) {
            let Some((author, sent)) = self.sent.get(&copy.id) else {
                return Err(format!("nobody sent {copy:?}"));
            };
            let is_theirs = copy.number == author.number && author.names.contains(&copy.from);
            ensure(is_theirs, || format!("{} is said to be from {} ({})", copy.subject, copy.from, copy.number))?;
            let same = (&copy.subject, &copy.body) == (&sent.subject, &sent.body);
            ensure(same, || format!("{sent:?} arrived as {copy:?}"))?;
            let is_addressed = sent
                .recipients
                .iter()
                .any(|(address, _)| self.find(address).is_some_and(|addressed| addressed.number == account.number));
            ensure(is_addressed, || format!("{} arrived without being addressed here", copy.subject))?;
        }
        Ok(())
    }

    fn every_recipient_has_its_fate(&self, author: &Account) -> Result<(), String> {
        let wrote: HashMap<&str, &Wrote> = author.wrote.iter().map(|wrote| (&wrote.body[..], wrote)).collect();
        for sent in &author.sent {
            let targets = wrote.get(&sent.body[..]).map_or(&[][..], |wrote| &wrote.to);
            let fates = sent.recipients.iter().zip(targets);
            for ((address, state), target) in fates.filter(|(_, target)| !target.is_room()) {
                let wrong = |why| format!("{} to {address} is {state:?}: {why}", sent.subject);
                let reached_otherwise = self.is_reached_otherwise(sent, target);
                self.fate(sent.id, state, target, reached_otherwise).map_err(wrong)?;
            }
        }
        Ok(())
    }

    /// Whether another address of the message leads to the same person: of two names one may not be in use any more.
    fn is_reached_otherwise(&self, sent: &Sent, target: &Target) -> bool {
        let number = |address: &str| self.find(address).map(|account| account.number);
        let is_refused = |state: &State| matches!(state, State::Refused { .. });
        let mut others = sent.recipients.iter().filter(|(address, _)| *address != target.address);
        others.any(|(address, state)| number(address) == number(&target.address) && !is_refused(state))
    }

    /// Whether the state is what must have become of the message for this recipient.
    fn fate(&self, id: MessageId, state: &State, target: &Target, reached_otherwise: bool) -> Result<(), &'static str> {
        let recipient = self.find(&target.address);
        let copy = recipient.and_then(|recipient| recipient.archive.iter().find(|copy| copy.id == id));
        match (state, copy) {
            (State::Refused { reason }, copy)
                if reason == "unknown_recipient" && (copy.is_none() || reached_otherwise) =>
            {
                match target.existed {
                    true => Err("the recipient existed"),
                    false => Ok(()),
                }
            }
            (State::Refused { .. }, Some(_)) => Err("it arrived nevertheless"),
            (State::Delivered { .. } | State::Read { .. }, None) => Err("it never arrived"),
            (State::Delivered { .. } | State::Read { .. }, Some(copy)) => {
                let told = copy.opened && recipient.is_some_and(|recipient| recipient.tells_read);
                match told == matches!(state, State::Read { .. }) {
                    true => Ok(()),
                    false => Err("the recipient did otherwise"),
                }
            }
            _ => Err("that cannot be the end of it"),
        }
    }

    /// What one person wrote to another stands in the other's mailbox in the order of writing. Archives are in the
    /// order of mailboxes, which is checked elsewhere.
    fn authors_are_heard_in_order(&self) -> Result<(), String> {
        for (reader, account) in &self.by_name {
            for writer in self.by_name.values() {
                let is_theirs = |copy: &&Received| copy.number == writer.number;
                let arrived: Vec<&Received> = account.mailbox.iter().filter(is_theirs).collect();
                let ids: BTreeSet<MessageId> = arrived.iter().map(|copy| copy.id).collect();
                let written = writer.sent.iter().filter(|sent| ids.contains(&sent.id));
                if let Some((copy, sent)) = arrived.iter().zip(written).find(|(copy, sent)| copy.id != sent.id) {
                    return Err(format!(
                        "{reader} has {} in the place of {}: not in order",
                        copy.subject, sent.subject
                    ));
                }
            }
        }
        Ok(())
    }
}

/// What is kept as sent is what was written, in that order; only what was never said to be kept may be missing.
fn sent_is_what_was_written(account: &Account) -> Result<(), String> {
    let mut sent = account.sent.iter().peekable();
    for wrote in &account.wrote {
        match sent.next_if(|sent| sent.body == wrote.body) {
            Some(kept) => {
                let same = kept.subject == wrote.subject
                    && kept.recipients.iter().map(|(address, _)| address).eq(wrote.to.iter().map(|to| &to.address));
                ensure(same, || format!("{wrote:?} is kept as {kept:?}"))?;
            }
            None => ensure(!wrote.queued, || format!("{wrote:?} was lost before it was sent"))?,
        }
    }
    match sent.next() {
        Some(sent) => Err(format!("{sent:?} is kept as sent and was not written, or not in that order")),
        None => Ok(()),
    }
}

/// The server has each message once, and the archive has the same ones in the same order.
fn mailbox_and_archive_agree(account: &Account) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for copy in &account.mailbox {
        ensure(seen.insert(copy.id), || format!("{} is in the mailbox twice", copy.subject))?;
    }
    let mailbox: Vec<&str> = account.mailbox.iter().map(|copy| &copy.subject[..]).collect();
    let archive: Vec<&str> = account.archive.iter().map(|copy| &copy.subject[..]).collect();
    ensure(mailbox == archive, || format!("the mailbox has {mailbox:?} and the archive {archive:?}"))
}

pub fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// The checker itself is checked: it accepts what is right and finds each thing that can go wrong.
mod tests {
    use super::*;
    use malote_common::Timestamp;

    const AT: Timestamp = Timestamp(0);

    /// `Usuario0` wrote three messages to `Usuario1`, who opened the first, and one to nobody.
    fn accounts() -> Vec<Account> {
        let (mut author, mut reader) = (Account::of(0), Account::of(1));
        for number in 1..=3 {
            let state = match number {
                1 => State::Read { seq: 1, at: AT },
                seq => State::Delivered { seq, at: AT },
            };
            author.write(number, Target { address: "USUARIO1".into(), existed: true }, state);
            reader.mailbox.push(received(number, false));
            reader.archive.push(received(number, number == 1));
        }
        let refused = State::Refused { reason: "unknown_recipient".into() };
        author.write(4, Target { address: "ninguem".into(), existed: false }, refused);
        vec![author, reader]
    }

    impl Account {
        fn write(&mut self, number: u64, target: Target, state: State) {
            let (subject, body) = (format!("assunto {number}"), format!("carta {number}"));
            let recipients = vec![(target.address.clone(), state)];
            self.wrote.push(Wrote { subject: subject.clone(), body: body.clone(), to: vec![target], queued: true });
            self.sent.push(Sent { id: id(number), subject, body, recipients });
        }
    }

    fn id(number: u64) -> MessageId {
        MessageId([number as u8; 16])
    }

    fn received(number: u64, opened: bool) -> Received {
        let (subject, body) = (format!("assunto {number}"), format!("carta {number}"));
        Received { id: id(number), from: "Usuario0".into(), number: 0, subject, body, opened }
    }

    /// What the checker says after something was spoilt.
    fn verdict(spoil: impl FnOnce(&mut Account, &mut Account)) -> Result<(), String> {
        let mut accounts = accounts();
        let [author, reader] = &mut accounts[..] else { unreachable!("there are two") };
        spoil(author, reader);
        check(&accounts)
    }

    /// The checker finds it, and says so in these words.
    #[track_caller]
    fn finds(words: &str, spoil: impl FnOnce(&mut Account, &mut Account)) {
        let found = verdict(spoil).expect_err(words);
        assert!(found.contains(words), "{found}");
    }

    #[test]
    fn what_is_right_passes() {
        assert_eq!(verdict(|_, _| {}), Ok(()));
        // A message that was never said to be kept may be lost with the program.
        let unsaid = |author: &mut Account| {
            author.wrote.push(Wrote { body: "x".into(), queued: false, ..author.wrote[0].clone() })
        };
        assert_eq!(verdict(|author, _| unsaid(author)), Ok(()));
    }

    #[test]
    fn doubled_lost_and_reordered_messages_are_found() {
        finds("twice", |_, reader| reader.mailbox.push(received(2, false)));
        finds("the archive", |_, reader| reader.archive.push(received(2, false)));
        finds("the archive", |_, reader| drop(reader.mailbox.pop()));
        finds("never arrived", |_, reader| drop(reader.archive.pop()));
        finds("never arrived", |_, reader| {
            reader.archive.pop();
            reader.mailbox.pop();
        });
        finds("in order", |_, reader| {
            reader.archive.swap(0, 1);
            reader.mailbox.swap(0, 1);
        });
        finds("lost before", |author, _| drop(author.sent.remove(0)));
        finds("not in that order", |author, _| {
            author.wrote.iter_mut().for_each(|wrote| wrote.queued = false);
            author.sent.swap(0, 1);
        });
    }

    #[test]
    fn forged_and_changed_messages_are_found() {
        finds("nobody sent", |_, reader| {
            reader.archive.push(received(9, false));
            reader.mailbox.push(received(9, false));
        });
        finds("is said to be from", |_, reader| reader.archive[0].from = "Usuario1".into());
        finds("is said to be from", |_, reader| reader.archive[0].number = 1);
        finds("the archive", |_, reader| reader.archive[1].subject.push('!'));
        finds("arrived as", |_, reader| {
            reader.archive[1].subject.push('!');
            reader.mailbox[1].subject.push('!');
        });
        finds("without being addressed", |author, _| {
            author.archive.push(received(1, false));
            author.mailbox.push(received(1, false));
        });
        finds("is kept as", |author, _| author.sent[0].subject.push('!'));
    }

    #[test]
    fn wrong_states_are_found() {
        let state = |author: &mut Account, index: usize, state| author.sent[index].recipients[0].1 = state;
        finds("cannot be the end", |author, _| state(author, 0, State::Queued { waiting: None }));
        finds("cannot be the end", |author, _| state(author, 0, State::Accepted { seq: 1 }));
        finds("did otherwise", |author, _| state(author, 0, State::Delivered { seq: 1, at: AT }));
        finds("did otherwise", |author, _| state(author, 1, State::Read { seq: 2, at: AT }));
        finds("did otherwise", |_, reader| reader.tells_read = false);
        finds("arrived nevertheless", |author, _| {
            state(author, 0, State::Refused { reason: "unknown_recipient".into() })
        });
        finds("cannot be the end", |author, _| state(author, 3, State::Refused { reason: "expired".into() }));
        finds("the recipient existed", |author, _| author.wrote[3].to[0].existed = true);
    }

    #[test]
    fn unstable_names_are_found() {
        finds("was told the names", |author, _| author.told.extend(["Usuario2".into()]));
        finds("never called so", |author, _| author.names = BTreeSet::from(["Usuario7".into()]));
        finds("the names are", |author, _| {
            author.number = 7;
            author.names = BTreeSet::from(["Usuario7".into()]);
        });
    }
}
