//! What must be true of rooms when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use malote_client::archive::State;
use malote_common::{MessageId, Seq};

use crate::history::Stay;
use crate::model::{Account, Received, ensure};

/// A room, as the server has it.
#[derive(Clone, Debug)]
pub struct Room {
    /// In the form in which it is typed and compared, such as `#obras`.
    pub address: String,
    /// The messages in it, from number 1 on.
    pub entries: Vec<Received>,
    /// When each person was in it, by number, in order.
    pub stays: BTreeMap<u64, Vec<Stay>>,
}

/// What a person's program knows of a room.
#[derive(Clone, Debug, Default)]
pub struct InRoom {
    /// What it has of the room's messages, in the order in which they came.
    pub has: Vec<(Seq, Received)>,
    /// Whether it says that the person is in the room.
    pub is_in: bool,
    /// Who is in the room, where the person wanted to know.
    pub members: Option<BTreeSet<u64>>,
}

impl Room {
    pub fn is_called(&self, address: &str) -> bool {
        self.address == address.to_lowercase()
    }

    fn stays(&self, number: u64) -> &[Stay] {
        self.stays.get(&number).map_or(&[], Vec::as_slice)
    }

    fn is_member(&self, number: u64) -> bool {
        self.stays(number).last().is_some_and(|stay| stay.left_behind.is_none())
    }
}

/// Checks all rooms; the error says what is wrong.
pub fn check(rooms: &[Room], accounts: &[Account]) -> Result<(), String> {
    for (index, room) in rooms.iter().enumerate() {
        let check = || {
            each_message_is_there_once_and_by_a_member(room, accounts)?;
            for account in accounts {
                let nothing = InRoom::default();
                let own = account.rooms.get(index).unwrap_or(&nothing);
                person_has_what_is_theirs(room, account.number, own)
                    .map_err(|why| format!("person {}: {why}", account.number))?;
                outcomes_agree(room, account)?;
            }
            Ok(())
        };
        check().map_err(|why: String| format!("{}: {why}", room.address))?;
    }
    Ok(())
}

/// All entries are messages that a member sent there, each once, and each author's in the order of writing.
fn each_message_is_there_once_and_by_a_member(room: &Room, accounts: &[Account]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for (entry, seq) in room.entries.iter().zip(1..) {
        ensure(seen.insert(entry.id), || format!("{} is in it twice", entry.subject))?;
        let was_there = room.stays(entry.number).iter().any(|stay| stay.was_there(seq));
        ensure(was_there, || format!("{} was written by {}, who was not there", entry.subject, entry.number))?;
        let author = accounts.iter().find(|account| account.number == entry.number);
        let is_theirs = author.is_some_and(|author| {
            author.names.contains(&entry.from)
                && author.sent.iter().any(|sent| {
                    (sent.id, &sent.body) == (entry.id, &entry.body)
                        && sent.recipients.iter().any(|(address, _)| room.is_called(address))
                })
        });
        ensure(is_theirs, || format!("nobody sent {entry:?} there"))?;
    }
    for account in accounts {
        let arrived = room.entries.iter().filter(|entry| entry.number == account.number).map(|entry| entry.id);
        let written = account.sent.iter().map(|sent| sent.id).filter(|id| seen.contains(id));
        ensure(arrived.eq(written), || format!("what {} wrote is not in order", account.number))?;
    }
    Ok(())
}

/// A person has each message once and in order, none that is not for them, and all if they are still there.
fn person_has_what_is_theirs(room: &Room, number: u64, own: &InRoom) -> Result<(), String> {
    let seqs: Vec<Seq> = own.has.iter().map(|(seq, _)| *seq).collect();
    ensure(seqs.is_sorted_by(|a, b| a < b), || format!("they came as {seqs:?}"))?;
    for (seq, copy) in &own.has {
        let entry = room.entries.get(*seq as usize - 1);
        let same = entry.is_some_and(|entry| {
            (entry.id, &entry.subject, &entry.body, &entry.from, entry.number)
                == (copy.id, &copy.subject, &copy.body, &copy.from, copy.number)
        });
        ensure(same, || format!("{entry:?} came as {copy:?}"))?;
        let is_theirs = room.stays(number).iter().any(|stay| stay.may_see(*seq));
        ensure(is_theirs, || format!("{seq} is not for them, who were there {:?}", room.stays(number)))?;
    }
    let is_member = room.is_member(number);
    ensure(own.is_in == is_member, || "they take themselves for a member wrongly, or do not know it".to_owned())?;
    if let Some(stay) = room.stays(number).last().filter(|_| is_member) {
        let theirs: Vec<Seq> = (stay.first..=room.entries.len() as Seq).collect();
        let have: Vec<Seq> = seqs.into_iter().filter(|seq| *seq >= stay.first).collect();
        ensure(have == theirs, || format!("{theirs:?} are theirs, and they have {have:?}"))?;
    }
    if let Some(members) = &own.members {
        let expected: BTreeSet<u64> = room.stays.keys().copied().filter(|number| room.is_member(*number)).collect();
        ensure(*members == expected, || format!("they see {members:?} there and not {expected:?}"))?;
    }
    Ok(())
}

/// What a person's program says became of messages to this room is what became of them.
fn outcomes_agree(room: &Room, author: &Account) -> Result<(), String> {
    for sent in &author.sent {
        for (address, state) in sent.recipients.iter().filter(|(address, _)| room.is_called(address)) {
            outcome_agrees(room, sent.id, state)
                .map_err(|why| format!("{} to {address} is {state:?}: {why}", sent.subject))?;
        }
    }
    Ok(())
}

fn outcome_agrees(room: &Room, id: MessageId, state: &State) -> Result<(), &'static str> {
    let place = room.entries.iter().position(|entry| entry.id == id).map(|index| index as Seq + 1);
    match (state, place) {
        (State::Accepted { seq }, Some(place)) if *seq == place => Ok(()),
        (State::Accepted { .. }, _) => Err("it is not there"),
        (State::Refused { .. }, Some(_)) => Err("it is there nevertheless"),
        (State::Refused { reason }, None) if reason == "not_a_member" => Ok(()),
        // The room was made later.
        (State::Refused { reason }, None) if reason == "unknown_recipient" => Ok(()),
        _ => Err("that cannot be the end of it"),
    }
}

/// The checker itself is checked.
mod tests {
    use super::*;
    use crate::model::Sent;

    /// `Usuario0` wrote four messages to a room in which `Usuario1` was from the second to the third one, with one more
    /// before, and is again since the fourth.
    fn scene() -> (Room, Vec<Account>) {
        let stay = |first, entered_behind, left_behind| Stay { first, entered_behind, left_behind };
        let room = Room {
            address: "#obras".into(),
            entries: (1..=4).map(received).collect(),
            stays: BTreeMap::from([(0, vec![stay(1, 0, None)]), (1, vec![stay(1, 1, Some(2)), stay(4, 3, None)])]),
        };
        let sent = |number| Sent {
            id: received(number).id,
            subject: format!("assunto {number}"),
            body: format!("carta {number}"),
            recipients: vec![("#Obras".into(), State::Accepted { seq: number })],
        };
        let has = |seqs: &[Seq]| InRoom {
            has: seqs.iter().map(|seq| (*seq, received(*seq))).collect(),
            is_in: true,
            members: Some(BTreeSet::from([0, 1])),
        };
        let author = Account { sent: (1..=4).map(sent).collect(), rooms: vec![has(&[1, 2, 3, 4])], ..Account::of(0) };
        (room, vec![author, Account { rooms: vec![has(&[1, 2, 4])], ..Account::of(1) }])
    }

    fn received(number: u64) -> Received {
        let (subject, body) = (format!("assunto {number}"), format!("carta {number}"));
        let id = MessageId([number as u8; 16]);
        Received { id, from: "Usuario0".into(), number: 0, subject, body, opened: false }
    }

    /// What the checker says after something was spoilt: the room, its author, or the other one in it.
    fn verdict(spoil: impl FnOnce(&mut Room, &mut Account, &mut InRoom)) -> Result<(), String> {
        let (mut room, mut accounts) = scene();
        let [author, other] = &mut accounts[..] else { unreachable!("there are two") };
        spoil(&mut room, author, &mut other.rooms[0]);
        check(&[room], &accounts)
    }

    #[track_caller]
    fn finds(words: &str, spoil: impl FnOnce(&mut Room, &mut Account, &mut InRoom)) {
        let found = verdict(spoil).expect_err(words);
        assert!(found.contains(words), "{found}");
    }

    #[test]
    fn what_is_right_passes() {
        assert_eq!(verdict(|_, _, _| {}), Ok(()));
        // What came while they were there need not have reached somebody who left.
        assert_eq!(verdict(|_, _, other| drop(other.has.drain(..2))), Ok(()));
    }

    #[test]
    fn what_is_lost_doubled_or_not_for_them_is_found() {
        finds("they have", |_, _, other| drop(other.has.pop()));
        finds("they came as", |_, _, other| other.has.push((4, received(4))));
        finds("they came as", |_, _, other| other.has.swap(0, 1));
        finds("not for them", |_, _, other| other.has.insert(2, (3, received(3))));
        finds("came as", |_, _, other| other.has[0].1.body.push('!'));
        finds("twice", |room, _, _| room.entries.push(received(4)));
        finds("not in order", |room, author, other| {
            room.entries.swap(0, 1);
            [&mut author.rooms[0], other].into_iter().for_each(|own| own.has = vec![]);
        });
        finds("nobody sent", |_, author, _| drop(author.sent.pop()));
        finds("was not there", |room, _, _| room.entries[2].number = 1);
    }

    #[test]
    fn wrong_beliefs_are_found() {
        finds("take themselves", |_, _, other| other.is_in = false);
        finds("they see", |_, _, other| other.members = Some(BTreeSet::from([1])));
        let state = |author: &mut Account, state| author.sent[0].recipients[0].1 = state;
        finds("it is not there", |_, author, _| state(author, State::Accepted { seq: 2 }));
        finds("nevertheless", |_, author, _| state(author, State::Refused { reason: "not_a_member".into() }));
        finds("cannot be the end", |_, author, _| state(author, State::Queued { waiting: None }));
    }
}
