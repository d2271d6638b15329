//! A person on this computer: a folder with a key, a device's identity and an archive, in use by one program at a time.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use malote_common::DeviceId;
use zeroize::Zeroizing;

use crate::address::ServerAddress;

const KEY: &str = "key";
const DEVICE: &str = "device";
const ARCHIVE: &str = "archive.db";
const LOCK: &str = "lock";
const SERVER: &str = "server";

/// Bytes of the file with the chosen server's address; whatever is longer is none.
const SERVER_BYTES: u64 = 512;

/// Windows that one computer may open without naming a profile.
const NUMBERED: u32 = 1_000;

/// An open profile. Nobody else can open it while this lives.
pub struct Profile {
    pub name: String,
    pub directory: PathBuf,
    pub key: SigningKey,
    pub device: DeviceId,
    _lock: File,
}

/// Why a profile cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error("the profile {name} is in use")]
    InUse { name: String },
    #[error("{name} is not a profile's name")]
    BadName { name: String },
    #[error("cannot write to {}: {error}", path.display())]
    Unwritable { path: PathBuf, error: io::Error },
    #[error("{} cannot be read: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("there is no folder for profiles")]
    NoHome,
}

impl Profile {
    /// Opens the profile of this name, or the first free one of `0`, `1`, `2`, …; makes it where it does not exist.
    pub fn open(name: Option<&str>) -> Result<Profile, ProfileError> {
        Profile::open_in(&home()?, name)
    }

    /// The same under a given folder.
    pub fn open_in(home: &Path, name: Option<&str>) -> Result<Profile, ProfileError> {
        if let Some(name) = name {
            return Profile::open_named(home, name);
        }
        for number in 0..NUMBERED {
            match Profile::open_named(home, &number.to_string()) {
                Err(ProfileError::InUse { .. }) => {}
                opened => return opened,
            }
        }
        Err(ProfileError::InUse { name: "0".to_owned() })
    }

    /// Where the archive lies.
    pub fn archive(&self) -> PathBuf {
        self.directory.join(ARCHIVE)
    }

    /// The server that this person chose; nothing where none was chosen yet, or what stands there is no address.
    pub fn chosen_server(&self) -> Option<ServerAddress> {
        let mut text = String::new();
        let file = File::open(self.directory.join(SERVER)).ok()?;
        file.take(SERVER_BYTES).read_to_string(&mut text).ok()?;
        text.parse().ok()
    }

    /// Remembers which server this person chose.
    pub fn choose_server(&self, address: &ServerAddress) -> Result<(), ProfileError> {
        let path = self.directory.join(SERVER);
        let written = write_whole(&path, format!("{address}\n").as_bytes());
        written.map_err(|error| ProfileError::Unwritable { path, error })
    }

    /// Where the archive of the profile with this name lies, or of the first one, whether or not it is in use.
    pub fn archive_of(name: Option<&str>) -> Result<PathBuf, ProfileError> {
        let name = name.unwrap_or("0");
        check_name(name)?;
        Ok(home()?.join(name).join(ARCHIVE))
    }

    fn open_named(home: &Path, name: &str) -> Result<Profile, ProfileError> {
        check_name(name)?;
        let directory = home.join(name);
        let unwritable = |error| ProfileError::Unwritable { path: directory.clone(), error };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(unwritable)?;
        let lock = private().truncate(false).open(directory.join(LOCK)).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ProfileError::InUse { name: name.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        let key = secret::<32>(&directory.join(KEY))?;
        let device = secret::<16>(&directory.join(DEVICE))?;
        Ok(Profile {
            name: name.to_owned(),
            key: SigningKey::from_bytes(&key),
            device: DeviceId(*device),
            directory,
            _lock: lock,
        })
    }
}

/// A name that stays in its folder.
fn check_name(name: &str) -> Result<(), ProfileError> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || name.starts_with('.') {
        return Err(ProfileError::BadName { name: name.to_owned() });
    }
    Ok(())
}

/// Where profiles live: `MALOTE_HOME`, or the platform's folder for data.
fn home() -> Result<PathBuf, ProfileError> {
    match std::env::var_os("MALOTE_HOME") {
        Some(home) if !home.is_empty() => Ok(home.into()),
        _ => directories::ProjectDirs::from("", "", "malote")
            .map(|directories| directories.data_dir().join("profiles"))
            .ok_or(ProfileError::NoHome),
    }
}

/// The random bytes in a file, made on first use, with a sum (CRC-32, little endian) behind them: changed bits would be somebody
/// else. A damaged file is never replaced: with the key the person would be lost.
fn secret<const N: usize>(path: &Path) -> Result<Zeroizing<[u8; N]>, ProfileError> {
    let damaged = |reason: String| ProfileError::Damaged { path: path.to_owned(), reason };
    match fs::read(path).map(Zeroizing::new) {
        Ok(bytes) => {
            let secret =
                bytes.split_last_chunk().filter(|(secret, sum)| crc32fast::hash(secret) == u32::from_le_bytes(**sum));
            let secret = secret.and_then(|(secret, _)| secret.try_into().ok()).map(Zeroizing::new);
            secret.ok_or_else(|| damaged("it is not what was written".to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut bytes = Zeroizing::new([0; N]);
            getrandom::fill(&mut *bytes).map_err(|error| damaged(error.to_string()))?;
            let whole = Zeroizing::new([&bytes[..], &crc32fast::hash(&bytes[..]).to_le_bytes()].concat());
            write_whole(path, &whole).map_err(|error| ProfileError::Unwritable { path: path.to_owned(), error })?;
            Ok(bytes)
        }
        Err(error) => Err(damaged(error.to_string())),
    }
}

/// Writes a file so that a crash leaves all of it or nothing.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = private().truncate(true).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn windows_take_the_first_free_profile_and_keep_their_key() {
        let home = tempfile::tempdir().unwrap();
        let zero = Profile::open_in(home.path(), None).unwrap();
        let one = Profile::open_in(home.path(), None).unwrap();
        assert_eq!((zero.name.as_str(), one.name.as_str()), ("0", "1"));
        assert_ne!(zero.key.to_bytes(), one.key.to_bytes());
        let (key, device) = (zero.key.to_bytes(), zero.device);
        drop(zero);
        let again = Profile::open_in(home.path(), None).unwrap();
        assert_eq!((again.name.as_str(), again.key.to_bytes(), again.device), ("0", key, device));
        let in_use = Profile::open_in(home.path(), Some("0"));
        assert!(matches!(in_use, Err(ProfileError::InUse { name }) if name == "0"));
    }

    #[test]
    fn what_is_secret_is_private() {
        let home = tempfile::tempdir().unwrap();
        let profile = Profile::open_in(home.path(), Some("ana")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&profile.directory), 0o700);
        assert_eq!(mode(&profile.directory.join(KEY)), 0o600);
    }

    #[test]
    fn keys_are_wiped_from_memory() {
        // Whether this compiles is what is tested: the library wipes keys only where it is asked to.
        fn is_wiped<T: zeroize::ZeroizeOnDrop>() {}
        is_wiped::<SigningKey>();
        is_wiped::<Zeroizing<[u8; 32]>>();
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        drop(Profile::open_in(home.path(), Some("ana")).unwrap());
        let key = home.path().join("ana").join(KEY);
        let whole = fs::read(&key).unwrap();
        let flipped = |bit: usize| {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        let shorter = (0..whole.len()).map(|length| whole[..length].to_vec());
        for wrong in (0..whole.len() * 8).map(flipped).chain(shorter).chain([[&whole[..], b"x"].concat()]) {
            fs::write(&key, &wrong).unwrap();
            assert!(matches!(Profile::open_in(home.path(), Some("ana")), Err(ProfileError::Damaged { .. })));
            assert_eq!(fs::read(&key).unwrap(), wrong);
        }
        fs::write(&key, &whole).unwrap();
        assert!(Profile::open_in(home.path(), Some("ana")).is_ok());
    }

    #[test]
    fn the_chosen_server_is_remembered_and_what_is_no_address_is_none() {
        let home = tempfile::tempdir().unwrap();
        let profile = Profile::open_in(home.path(), Some("ana")).unwrap();
        assert_eq!(profile.chosen_server(), None);
        let address: ServerAddress = "[fe80::1]:5".parse().unwrap();
        profile.choose_server(&address).unwrap();
        assert_eq!(profile.chosen_server(), Some(address));
        for wrong in [b"no address".to_vec(), vec![0xff; 10], vec![b'a'; 10_000]] {
            fs::write(profile.directory.join(SERVER), wrong).unwrap();
            assert_eq!(profile.chosen_server(), None);
        }
    }

    #[test]
    fn names_stay_in_their_folder() {
        let home = tempfile::tempdir().unwrap();
        for name in ["", "..", ".x", "a/b", "a b"] {
            assert!(matches!(Profile::open_in(home.path(), Some(name)), Err(ProfileError::BadName { .. })), "{name}");
        }
    }
}
