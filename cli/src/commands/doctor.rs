//! `malote-cli doctor`: tests the connection step by step. It uses no profile, so one that is open elsewhere does not matter.

use malote_client::connection::Fault;
use malote_client::doctor::{Outcome, examine};
use malote_client::{Profile, Reader, explain};
use malote_common::fingerprint::Fingerprint;
use malote_texts::Texts;

use crate::Failure;
use crate::flags::Flags;
use crate::output::Printer;

pub fn run(flags: &Flags, texts: &Texts, printer: &Printer) -> Result<(), Failure> {
    let known = known_key(flags, texts)?;
    let (mut fault, mut printed) = (None, Ok(()));
    let examined = examine(&flags.server, known, |checked| {
        if let Outcome::Failed(found) = checked.outcome {
            fault = Some(found);
        }
        if printed.is_ok() {
            printed = printer.checked(&checked, &flags.server);
        }
    });
    examined.map_err(|error| Failure::local(error.to_string()))?;
    printed?;
    let server = flags.server.to_string();
    let conclusion = if fault.is_none() { "doctor-all-passed" } else { "doctor-something-failed" };
    printer.remark(&texts.with(conclusion, &[("server", server.into())]))?;
    let status = match fault {
        None => return Ok(()),
        Some(Fault::KeyChanged { .. }) => Failure::KEY_CHANGED,
        Some(_) => Failure::NOT_REACHED,
    };
    Err(Failure { status, sentence: None })
}

/// The key that the profile knows for the server; nothing where there is no such profile yet.
fn known_key(flags: &Flags, texts: &Texts) -> Result<Option<Fingerprint>, Failure> {
    let archive = Profile::archive_of(flags.profile.as_deref())
        .map_err(|error| Failure::local(explain::profile_error(&error, texts)))?;
    if !archive.exists() {
        return Ok(None);
    }
    let key = Reader::open(&archive, &flags.server.to_string())
        .and_then(|reader| reader.fingerprint_at(&flags.server.to_string()));
    key.map_err(|error| Failure::local(explain::archive_error(&error, texts)))
}
