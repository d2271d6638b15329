//! Looking after a data directory: `malote-server check`, `backup` and `restore`.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::identity::{self, Identity, IdentityError};
use crate::store::StoreError;
use crate::store::sqlite::{self, Inspection};
use crate::{LOCK, STORE, StartError, UNFINISHED, lock_directory, lock_to_read, make_directory};

/// Reads everything in a data directory, also while a server uses it.
pub fn check(data: &Path) -> Result<Inspection, StartError> {
    has_identity(data)?;
    sqlite::inspect(&data.join(STORE)).map_err(refused(data))
}

/// Copies a data directory as it is at one moment, also while a server uses it, into a folder that is empty or not there yet.
pub fn back_up(data: &Path, to: &Path) -> Result<Inspection, StartError> {
    has_identity(data)?;
    make_empty(to)?;
    let inspection = sqlite::back_up(&data.join(STORE), &to.join(STORE)).map_err(refused(data))?;
    identity::FILES.iter().try_for_each(|name| copy(&data.join(name), &to.join(name))).map_err(unwritable(to))?;
    has_identity(to)?;
    Ok(inspection)
}

/// Makes a data directory from a backup, or from what is left of one that cannot be trusted, for a new life: clients notice and
/// send again what they know to be missing.
pub fn restore(from: &Path, data: &Path) -> Result<Inspection, StartError> {
    has_identity(from)?;
    // Nobody is to write to it while it is copied.
    let _source = lock_to_read(from)?;
    let _lock = lock_directory(data)?;
    if files_in(data)?.iter().any(|name| name != LOCK) {
        return Err(StartError::DataPresent { path: data.to_owned() });
    }
    let is_of_one_moment = sqlite::check_log(&from.join(STORE)).is_ok();
    let (log, copied_log) = (format!("{STORE}-wal"), format!("{UNFINISHED}-wal"));
    let has_log = from.join(&log).exists();
    // Under another name until it lives anew: cut off here, it is nothing that a server starts with.
    let brought_back = copy(&from.join(STORE), &data.join(UNFINISHED))
        .and_then(|()| if has_log { copy(&from.join(&log), &data.join(&copied_log)) } else { Ok(()) })
        .map_err(unwritable(data))
        .and_then(|()| sqlite::bring_back(&data.join(UNFINISHED), is_of_one_moment).map_err(refused(from)))
        .and_then(|inspection| {
            let renamed = fs::rename(data.join(UNFINISHED), data.join(STORE)).and_then(|()| sync(data));
            renamed.map(|()| inspection).map_err(unwritable(data))
        })
        .and_then(|inspection| {
            // The certificate comes last, as when a server is new: without it there is none.
            let copied = identity::FILES.iter().try_for_each(|name| copy(&from.join(name), &data.join(name)));
            copied.map_err(unwritable(data))?;
            Ok(inspection)
        });
    if brought_back.is_err() {
        // All of it came from here.
        for name in files_in(data)?.iter().filter(|name| *name != LOCK) {
            let _ = fs::remove_file(data.join(name));
        }
    }
    brought_back
}

fn has_identity(directory: &Path) -> Result<(), StartError> {
    let path = directory.to_owned();
    match Identity::read(directory) {
        Ok(_) => Ok(()),
        Err(IdentityError::Io(error)) => Err(StartError::Key { path, reason: error.to_string() }),
        Err(IdentityError::Unusable(reason)) => Err(StartError::Key { path, reason }),
    }
}

fn make_empty(directory: &Path) -> Result<(), StartError> {
    make_directory(directory).map_err(unwritable(directory))?;
    match files_in(directory)?.is_empty() {
        true => Ok(()),
        false => Err(StartError::DataPresent { path: directory.to_owned() }),
    }
}

fn files_in(directory: &Path) -> Result<Vec<OsString>, StartError> {
    let entries = fs::read_dir(directory).map_err(unwritable(directory))?;
    entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>().map_err(unwritable(directory))
}

/// Copies a file for nobody else to read, and waits for the disk.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o600))?;
    fs::File::open(to)?.sync_all()?;
    to.parent().map_or(Ok(()), sync)
}

/// Waits until what is in a directory is there for good.
fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

fn unwritable(path: &Path) -> impl Fn(io::Error) -> StartError {
    move |error| StartError::DataUnwritable { path: path.to_owned(), error }
}

fn refused(path: &Path) -> impl Fn(StoreError) -> StartError {
    move |error| StartError::Store { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use malote_common::Timestamp;

    use super::*;
    use crate::store::sqlite::SqliteStore;
    use crate::store::{Operation, Store, contract};

    /// A data directory with a key and a message.
    fn filled(data: &Path) {
        let Ok(identity) = Identity::open(data) else { panic!("no key") };
        drop(identity);
        let mut store = SqliteStore::open(&data.join(STORE)).unwrap();
        let ids = contract::people(&mut store, 2);
        let submission = contract::submission(1, &["Usuario1"], "oi");
        let submit = Operation::Submit { author: ids[0].person, device: contract::DEVICE, submission };
        store.commit(&[submit], Timestamp(1)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_copy_is_whole_and_private_and_comes_back_with_new_epochs_and_numbers() {
        let home = tempfile::tempdir().unwrap();
        let [data, copy, new] = ["data", "copy", "new"].map(|name| home.path().join(name));
        fs::create_dir(&data).unwrap();
        filled(&data);
        assert_eq!(check(&data).unwrap().entries, 1);
        let mut store = SqliteStore::open(&data.join(STORE)).unwrap();
        assert_eq!(back_up(&data, &copy).unwrap(), check(&data).unwrap(), "while it is in use");
        let before = contract::people(&mut store, 2);
        assert_eq!(mode(&copy), 0o700);
        let mut names: Vec<_> = fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["server.crt", "server.key", "store.db"]);
        names.iter().for_each(|name| assert_eq!(mode(&copy.join(name)), 0o600));
        assert!(matches!(back_up(&data, &copy), Err(StartError::DataPresent { .. })));
        assert!(matches!(restore(&copy, &data), Err(StartError::DataPresent { .. })));

        assert_eq!(restore(&copy, &new).unwrap().people, 2);
        let mut store = SqliteStore::open(&new.join(STORE)).unwrap();
        let after = contract::people(&mut store, 3);
        for (before, after) in before.iter().zip(&after) {
            assert_eq!((before.person, before.mailbox, before.last_seq), (after.person, after.mailbox, after.last_seq));
            assert_ne!(before.epoch, after.epoch);
            assert_ne!(before.rooms[0].epoch, after.rooms[0].epoch);
        }
        assert!(after[2].person.0 >= 10_000 && after[2].mailbox.0 >= 1_000_000, "{:?}", after[2]);
    }

    #[test]
    fn what_cannot_be_trusted_is_not_copied_and_leaves_nothing_behind() {
        let home = tempfile::tempdir().unwrap();
        let [data, copy, new] = ["data", "copy", "new"].map(|name| home.path().join(name));
        fs::create_dir(&data).unwrap();
        assert!(matches!(check(&data), Err(StartError::Key { .. })), "there is nothing");
        filled(&data);
        fs::write(data.join(STORE), "This is no store.").unwrap();
        assert!(matches!(check(&data), Err(StartError::Store { .. })));
        assert!(matches!(back_up(&data, &copy), Err(StartError::Store { .. })));
        assert!(!copy.join(STORE).exists());
        assert!(matches!(restore(&data, &new), Err(StartError::Store { .. })));
        assert!(!new.join(STORE).exists() && !new.join("server.key").exists());
    }

    #[test]
    fn what_cannot_be_told_to_be_of_one_moment_forgets_what_was_posted() {
        let home = tempfile::tempdir().unwrap();
        let [data, copy, new] = ["data", "copy", "new"].map(|name| home.path().join(name));
        fs::create_dir(&data).unwrap();
        fs::create_dir(&copy).unwrap();
        filled(&data);
        let mut store = SqliteStore::open(&data.join(STORE)).unwrap();
        let ids = contract::people(&mut store, 2);
        for counter in 2..=4 {
            let submission = contract::submission(counter, &["Usuario1"], "oi");
            let submit = Operation::Submit { author: ids[0].person, device: contract::DEVICE, submission };
            store.commit(&[submit], Timestamp(1)).unwrap();
        }
        for name in files_in(&data).unwrap() {
            fs::copy(data.join(&name), copy.join(&name)).unwrap();
        }
        // The last commit's last page.
        let log = copy.join("store.db-wal");
        let mut bytes = fs::read(&log).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&log, bytes).unwrap();
        assert!(matches!(check(&copy), Err(StartError::Store { .. })));
        assert_eq!(restore(&copy, &new).unwrap().entries, 3, "all but the last message");
        let mut store = SqliteStore::open(&new.join(STORE)).unwrap();
        assert_eq!(contract::people(&mut store, 2)[0].last_counter, 0);
    }

    #[test]
    fn nothing_is_brought_back_over_what_is_left_of_another() {
        let home = tempfile::tempdir().unwrap();
        let [data, new] = ["data", "new"].map(|name| home.path().join(name));
        fs::create_dir(&data).unwrap();
        filled(&data);
        for name in ["store.db-wal", "store.db-mark", "notes"] {
            fs::create_dir(&new).unwrap();
            fs::write(new.join(name), b"kept").unwrap();
            assert!(matches!(restore(&data, &new), Err(StartError::DataPresent { .. })), "{name}");
            assert_eq!(fs::read(new.join(name)).unwrap(), b"kept");
            fs::remove_dir_all(&new).unwrap();
        }
        let _in_use = lock_directory(&data).unwrap();
        assert!(matches!(restore(&data, &new), Err(StartError::DataLocked { .. })));
    }
}
