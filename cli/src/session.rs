//! One run of the client engine on behalf of a command.

use std::time::Instant;

use crossbeam_channel::Receiver;
use malote_client::explain;
use malote_client::{Client, Command, Event, Options, Problem, Profile, Reader, Status};
use malote_texts::Texts;

use crate::Failure;
use crate::flags::Flags;

/// A client at work, with a look into its archive.
pub struct Session<'a> {
    pub reader: Reader,
    client: Client,
    events: Receiver<Event>,
    deadline: Instant,
    flags: &'a Flags,
    texts: &'a Texts,
    /// Why there is no connection, as last heard.
    problem: Option<Problem>,
    /// Our number at the server, once it has told.
    number: Option<u64>,
}

impl<'a> Session<'a> {
    /// Opens the profile and starts to connect.
    pub fn start(flags: &'a Flags, texts: &'a Texts, wants_people: bool) -> Result<Session<'a>, Failure> {
        let profile = Profile::open(flags.profile.as_deref())
            .map_err(|error| Failure::local(explain::profile_error(&error, texts)))?;
        let archive = profile.archive();
        let options = Options { server: flags.server.clone(), wants_people };
        let failed = |error| Failure::local(explain::archive_error(&error, texts));
        let (client, events) = Client::start(profile, options, || {}).map_err(failed)?;
        let reader = Reader::open(&archive, &flags.server.to_string()).map_err(failed)?;
        let deadline = Instant::now() + flags.timeout();
        Ok(Session { reader, client, events, deadline, flags, texts, problem: None, number: None })
    }

    pub fn command(&self, command: Command) {
        self.client.command(command);
    }

    /// Waits for the next event until the deadline; nothing where it has passed. Fails where waiting is of no use.
    pub fn next(&mut self) -> Result<Option<Event>, Failure> {
        let event = self.events.recv_deadline(self.deadline).ok();
        self.note(event)
    }

    /// Waits for the next event as long as it takes.
    pub fn next_ever(&mut self) -> Result<Option<Event>, Failure> {
        let event = self.events.recv().ok();
        self.note(event)
    }

    /// Waits until it is known whether the message that was handed over is on this computer's disk. A server that cannot be
    /// reached may have been told of before.
    pub fn is_kept(&mut self) -> bool {
        while let Ok(event) = self.events.recv_deadline(self.deadline) {
            match event {
                Event::Queued { .. } => return true,
                Event::NotQueued { .. } => return false,
                _ => {}
            }
        }
        false
    }

    /// Waits until everything that waited at the server is here and what waited here is answered, if it can be.
    /// Returns who we are.
    pub fn settle(&mut self) -> Result<String, Failure> {
        let (mut name, mut caught_up) = (None, false);
        loop {
            match self.next()? {
                Some(Event::Status(Status::Online { name: own, .. })) => name = Some(own.to_string()),
                Some(Event::CaughtUp) => caught_up = true,
                Some(_) => {}
                // What is left in the outbox goes out another time.
                None if caught_up => return Ok(name.unwrap_or_default()),
                None => return Err(self.not_reached()),
            }
            if caught_up && self.reader.is_outbox_empty().map_err(|error| self.archive_failed(&error))? {
                return Ok(name.unwrap_or_default());
            }
        }
    }

    /// Our number at the server, once it has told.
    pub fn number(&self) -> Option<u64> {
        self.number
    }

    /// Waits until `wanted` makes something of an event. `on_connection` is commanded on each new connection, for what
    /// the server is asked only once.
    pub fn wait_for<T>(
        &mut self,
        on_connection: Option<&Command>,
        mut wanted: impl FnMut(Event) -> Option<T>,
    ) -> Result<T, Failure> {
        loop {
            let Some(event) = self.next()? else { return Err(self.not_reached()) };
            if let (Event::Status(Status::Online { .. }), Some(command)) = (&event, on_connection) {
                self.command(command.clone());
            }
            if let Some(found) = wanted(event) {
                return Ok(found);
            }
        }
    }

    /// That the server was not reached in time, and why.
    pub fn not_reached(&self) -> Failure {
        let seconds = self.flags.timeout().as_secs().to_string();
        let mut sentence = self.texts.with("cli-not-reached", &[("seconds", seconds.into())]);
        if let Some(problem) = &self.problem {
            sentence = format!("{}\n{sentence}", explain::problem(problem, &self.flags.server, self.texts));
        }
        Failure { status: Failure::NOT_REACHED, sentence: Some(sentence) }
    }

    pub fn archive_failed(&self, error: &malote_client::ArchiveError) -> Failure {
        Failure::local(explain::archive_error(error, self.texts))
    }

    fn note(&mut self, event: Option<Event>) -> Result<Option<Event>, Failure> {
        match &event {
            Some(Event::Status(Status::Online { number, .. })) => self.number = Some(*number),
            Some(Event::Status(Status::Waiting { problem, .. })) => self.problem = Some(problem.clone()),
            Some(Event::Status(Status::Stopped { problem })) => {
                let status = match problem {
                    Problem::KeyChanged { .. } => Failure::KEY_CHANGED,
                    _ => Failure::LOCAL,
                };
                let sentence = explain::problem(problem, &self.flags.server, self.texts);
                return Err(Failure { status, sentence: Some(sentence) });
            }
            Some(Event::NotKept(error)) => return Err(self.archive_failed(error)),
            _ => {}
        }
        Ok(event)
    }
}
