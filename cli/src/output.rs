//! What commands print: for people, or as one JSON object a line.

use std::io::{self, Write};

use malote_client::archive::{Letter, Recipient, Sent, State};
use malote_client::doctor::{Checked, Outcome};
use malote_client::{Found, ServerAddress, explain};
use malote_common::fingerprint::Fingerprint;
use malote_common::frame::{Person, Room};
use malote_common::{Address, Name, Timestamp, limits, text};
use malote_texts::Texts;
use serde::Serialize;

use crate::Failure;

/// Where a command's output goes.
pub struct Printer<'a> {
    json: bool,
    texts: &'a Texts,
}

#[derive(Serialize)]
struct MessageLine<'a> {
    id: String,
    /// Nothing for what was sent: it may stand in many mailboxes, or in none yet.
    mailbox: Option<u64>,
    seq: Option<u64>,
    from: &'a str,
    to: Vec<&'a str>,
    subject: &'a str,
    body: &'a str,
    sent_at: String,
    accepted_at: Option<String>,
    /// Nothing but this is left of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    damaged: bool,
}

#[derive(Serialize)]
struct OutcomeLine<'a> {
    to: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

#[derive(Serialize)]
struct PersonLine<'a> {
    name: &'a str,
    number: u64,
    connected: bool,
}

#[derive(Serialize)]
struct RoomLine {
    room: String,
    mailbox: u64,
    members: u64,
    /// Whether we are in it.
    member: bool,
}

/// What came of a wish for a room.
#[derive(Serialize)]
struct RoomOutcomeLine<'a> {
    room: String,
    outcome: &'a str,
}

/// What came of a wish for a name.
#[derive(Serialize)]
struct NameOutcomeLine<'a> {
    name: &'a str,
    outcome: &'a str,
}

#[derive(Serialize)]
struct WhoLine<'a> {
    name: &'a str,
    server: &'a str,
    fingerprint: Option<String>,
}

#[derive(Serialize)]
struct StepLine<'a> {
    step: &'a str,
    result: &'a str,
    detail: &'a str,
}

#[derive(Serialize)]
struct ServerLine<'a> {
    name: Option<&'a str>,
    addresses: Vec<String>,
    fingerprint: Option<String>,
}

impl<'a> Printer<'a> {
    pub fn new(json: bool, texts: &'a Texts) -> Printer<'a> {
        Printer { json, texts }
    }

    /// Whether what is printed is for a person to read.
    pub fn is_for_people(&self) -> bool {
        !self.json
    }

    pub fn letter(&self, letter: &Letter) -> Result<(), Failure> {
        let Letter { from, to, subject, body, sent_at, accepted_at, damaged, .. } = letter;
        if self.json {
            return self.object(&MessageLine {
                id: letter.id.to_string(),
                mailbox: Some(letter.mailbox.0),
                seq: Some(letter.seq),
                from,
                to: to.split(", ").collect(),
                subject,
                body,
                sent_at: rfc3339(*sent_at),
                accepted_at: Some(rfc3339(*accepted_at)),
                damaged: *damaged,
            });
        }
        if *damaged {
            let [subject, body] = ["damaged-subject", "damaged-body"].map(|key| self.texts.get(key));
            // Who else it was for is lost with it.
            return self.message(*accepted_at, from, "?", &subject, &body);
        }
        self.message(*accepted_at, from, to, subject, body)
    }

    /// A message that was sent; `from` is our own name.
    pub fn sent(&self, from: &str, sent: &Sent) -> Result<(), Failure> {
        let Sent { id, subject, body, sent_at, recipients, .. } = sent;
        let to: Vec<&str> = recipients.iter().map(|recipient| recipient.address.as_str()).collect();
        if self.json {
            let (id, sent_at) = (id.to_string(), rfc3339(*sent_at));
            let (mailbox, seq, accepted_at) = (None, None, None);
            let damaged = false;
            return self.object(&MessageLine {
                id,
                mailbox,
                seq,
                from,
                to,
                subject,
                body,
                sent_at,
                accepted_at,
                damaged,
            });
        }
        self.message(*sent_at, from, &to.join(", "), subject, body)
    }

    fn message(&self, at: Timestamp, from: &str, to: &str, subject: &str, body: &str) -> Result<(), Failure> {
        let names = [("from", from.into()), ("to", to.into())];
        // Nobody's program sends a longer one but somebody's who means harm.
        let subject = match text::first_words(subject, limits::SUBJECT_BYTES) {
            empty if empty.is_empty() => self.texts.get("no-subject"),
            subject => subject,
        };
        self.line(&format!("{}  {}", local(at), self.texts.with("cli-from-to", &names)))?;
        self.line(&format!("  {subject}"))?;
        for line in text::harmless(body).lines() {
            self.line(&format!("    {line}"))?;
        }
        self.line("")
    }

    pub fn outcome(&self, recipient: &Recipient) -> Result<(), Failure> {
        let Recipient { address, state } = recipient;
        if self.json {
            let (outcome, seq) = match state {
                // Waiting for its turn is no outcome that a script could do anything about.
                State::Queued { waiting } => {
                    (waiting.as_deref().filter(|c| *c != "out_of_turn").unwrap_or("queued"), None)
                }
                State::Accepted { seq } | State::Delivered { seq, .. } | State::Read { seq, .. } => {
                    ("accepted", Some(*seq))
                }
                State::Refused { reason } => (reason.as_str(), None),
            };
            return self.object(&OutcomeLine { to: address, outcome, seq });
        }
        let mut args = vec![("to", address.as_str().into()), ("state", explain::state(state, self.texts).into())];
        let key = match explain::reason(state, self.texts) {
            Some(reason) => {
                args.push(("reason", reason.into()));
                "cli-state-reason"
            }
            None => "cli-state",
        };
        self.line(&self.texts.with(key, &args))
    }

    /// `own` is our own number.
    pub fn person(&self, person: &Person, own: Option<u64>) -> Result<(), Failure> {
        let Person { number, name, connected } = person;
        if self.json {
            return self.object(&PersonLine { name: name.as_str(), number: *number, connected: *connected });
        }
        let key = match connected {
            _ if own == Some(*number) => "cli-you",
            true => "cli-connected",
            false => "cli-away",
        };
        let given = Name::given(*number);
        // Under both names mail arrives.
        let shown = if *name == given { name.to_string() } else { format!("{name} ({given})") };
        self.line(&format!("{shown}  {}", self.texts.get(key)))
    }

    /// A line of the list of rooms; `member` where we are in it.
    pub fn room(&self, room: &Room, member: bool) -> Result<(), Failure> {
        let address = room_address(&room.name).to_string();
        if self.json {
            let Room { mailbox, members, .. } = room;
            return self.object(&RoomLine { room: address, mailbox: mailbox.0, members: *members, member });
        }
        let count = usize::try_from(room.members).unwrap_or(usize::MAX);
        let key = if member { "cli-room-member" } else { "cli-room" };
        self.line(&self.texts.with(key, &[("room", address.into()), ("count", count.into())]))
    }

    /// What came of a wish for a room: a code for scripts, a sentence for people.
    pub fn room_outcome(&self, room: &Name, code: &str, sentence: &str) -> Result<(), Failure> {
        match self.json {
            true => self.object(&RoomOutcomeLine { room: room_address(room).to_string(), outcome: code }),
            false => self.line(sentence),
        }
    }

    /// What came of a wish for a name, in the same way.
    pub fn name_outcome(&self, name: &Name, code: &str, sentence: &str) -> Result<(), Failure> {
        match self.json {
            true => self.object(&NameOutcomeLine { name: name.as_str(), outcome: code }),
            false => self.line(sentence),
        }
    }

    pub fn who(&self, name: &str, server: &str, key: Option<Fingerprint>) -> Result<(), Failure> {
        let fingerprint = key.map(|key| key.to_string());
        if self.json { self.object(&WhoLine { name, server, fingerprint }) } else { self.line(name) }
    }

    /// A step of a check.
    pub fn checked(&self, checked: &Checked, server: &ServerAddress) -> Result<(), Failure> {
        let Checked { step, outcome } = checked;
        let detail = explain::outcome(outcome, server, self.texts);
        if self.json {
            return self.object(&StepLine { step: step.code(), result: outcome.code(), detail: &detail });
        }
        let key = match outcome {
            Outcome::Passed(_) => "cli-doctor-passed",
            Outcome::Failed(_) => "cli-doctor-failed",
            Outcome::NotReached => "cli-doctor-not-reached",
        };
        let args = [("step", explain::step(*step, self.texts).into()), ("detail", detail.into())];
        self.line(&self.texts.with(key, &args))
    }

    /// A server that was found.
    pub fn server(&self, found: &Found) -> Result<(), Failure> {
        let addresses: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
        if self.json {
            let fingerprint = found.fingerprint.map(|key| key.to_string());
            return self.object(&ServerLine { name: found.name.as_deref(), addresses, fingerprint });
        }
        let name = found.name.clone().unwrap_or_else(|| self.texts.get("cli-found-here"));
        let args = [("name", name.into()), ("address", addresses.join(", ").into())];
        self.line(&self.texts.with("cli-found", &args))
    }

    /// A sentence for people; scripts are not told.
    pub fn remark(&self, sentence: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { self.line(sentence) }
    }

    fn object(&self, object: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(object).map_err(|error| Failure::local(error.to_string()))?;
        // It may be a terminal that reads it.
        self.line(&text::escaped(&line))
    }

    fn line(&self, line: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        // Whoever reads has gone: there is nobody to say so to.
        writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(|_| Failure { status: 1, sentence: None })
    }
}

/// A room as people type it.
pub fn room_address(room: &Name) -> Address {
    if *room == Name::everybody() { Address::Everybody } else { Address::Room(room.clone()) }
}

fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().to_string()
}

/// In this computer's time zone, to the minute.
fn local(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}
