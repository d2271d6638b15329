//! How much of the write-ahead log was synced, in a small file beside the store.
//!
//! SQLite takes the first damaged frame of its log for the end of it, as after a power cut; whatever was committed behind that
//! would be gone without a word. Nor does it miss a log that is gone altogether, or a store that has become empty. The mark
//! says what must be there. It is written after each commit, without waiting for the disk: after a crash of the server it is
//! exact, after a power cut it may say less than there is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tracing::warn;

use super::super::StoreError;
use super::opening::beside;
use super::sum;

/// What the file begins with.
const MAGIC: [u8; 4] = *b"MLTM";

/// Bytes of the file: what it begins with, the log's salts, how many frames were synced, and a sum.
const BYTES: usize = 4 + SALTS + 4 + sum::BYTES;

/// Bytes of what tells one beginning of a log from another: two numbers, the first of which grows by one each time.
const SALTS: usize = 8;

/// Bytes before the first frame (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>).
const LOG_HEADER: usize = 32;

/// Bytes before each frame's page.
const FRAME_HEADER: usize = 24;

/// The mark of a store that is in use.
pub struct Mark {
    file: File,
    log: PathBuf,
    /// Opened once there is a log: it stays the same file for as long as the store is open.
    opened: Option<File>,
    /// What was written last.
    synced: Synced,
}

/// A log, and how much of it is on the disk for certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Synced {
    salts: [u8; SALTS],
    frames: u32,
}

/// Fails where something is missing that was synced. Nothing is written; where nobody uses the store, SQLite must not have opened
/// it yet, for what it does not understand it removes.
pub fn check(store: &Path) -> Result<(), StoreError> {
    let path = beside(store, "-mark");
    let mut mark = read(&path).map_err(failed)?;
    loop {
        let checked = compare(store, mark);
        let now = read(&path).map_err(failed)?;
        // The server that uses it may have begun the log anew meanwhile, or ended.
        if checked.is_ok() || now == mark {
            return checked;
        }
        mark = now;
    }
}

fn compare(store: &Path, mark: Option<Option<Synced>>) -> Result<(), StoreError> {
    let Some(mark) = mark else { return Ok(()) };
    if fs::metadata(store).map_or(0, |metadata| metadata.len()) == 0 {
        return Err(StoreError::Failed("there was a store here, and it is gone".to_owned()));
    }
    let Some(synced) = mark.filter(|synced| synced.frames > 0) else { return Ok(()) };
    let found = match File::open(beside(store, "-wal")) {
        Ok(log) => intact(log, synced).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    match found {
        // One that was begun since: all that was in the other is in the file.
        Some(found) if found.salts != synced.salts && is_later(found.salts, synced.salts) => Ok(()),
        Some(found) if found == synced => Ok(()),
        Some(found) if found.salts == synced.salts => Err(StoreError::Failed(format!(
            "the write-ahead log is damaged: {} of {} pages can be read",
            found.frames, synced.frames
        ))),
        _ => Err(StoreError::Failed("the write-ahead log is missing or damaged".to_owned())),
    }
}

impl Mark {
    /// Opens the mark of a store that is sound, or makes it.
    pub fn open(store: &Path) -> Result<Mark, StoreError> {
        // Where there is a mark there was a store: the store's own entry in the folder comes first.
        if let Some(folder) = store.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(beside(store, "-mark"));
        let file = file.map_err(failed)?;
        let mark = Mark { file, log: beside(store, "-wal"), opened: None, synced: Synced::default() };
        // It takes its space while there is some.
        if mark.file.metadata().map_err(failed)?.len() == 0 {
            mark.write().map_err(failed)?;
        }
        Ok(mark)
    }

    /// The log has so many frames, and all of them are synced.
    pub fn note(&mut self, frames: u32) -> Result<(), StoreError> {
        if frames == 0 {
            return Ok(());
        }
        let log = match &self.opened {
            Some(log) => log,
            None => self.opened.insert(File::open(&self.log).map_err(failed)?),
        };
        let mut header = [0; LOG_HEADER];
        log.read_exact_at(&mut header, 0).map_err(failed)?;
        let synced = Synced { salts: salts(&header), frames };
        if synced == self.synced {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.synced, synced);
        match self.write() {
            // Where even this finds no space, the mark says less than there is.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => self.synced = before,
            written => written.map_err(failed)?,
        }
        Ok(())
    }

    /// From now on nothing in the log is needed that is not in the file as well.
    pub fn clear(mut self) -> Result<(), StoreError> {
        self.synced = Synced::default();
        self.write().and_then(|()| self.file.sync_data()).map_err(failed)
    }

    fn write(&self) -> io::Result<()> {
        let bytes = [&MAGIC[..], &self.synced.salts, &self.synced.frames.to_le_bytes()].concat();
        self.file.write_all_at(&sum::seal(&[], bytes), 0)
    }
}

/// What the mark says: nothing where there is none, and no number where it cannot be read.
fn read(path: &Path) -> io::Result<Option<Option<Synced>>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take((BYTES as u64).saturating_add(1)).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let synced = sum::unseal(&[], &bytes).and_then(|mark| mark.strip_prefix(&MAGIC)).and_then(|rest| {
        let (salts, frames) = rest.split_first_chunk::<SALTS>()?;
        Some(Synced { salts: *salts, frames: u32::from_le_bytes(frames.try_into().ok()?) })
    });
    if synced.is_none() {
        warn!("the mark beside the store cannot be read, so the write-ahead log is taken as it is");
    }
    Ok(Some(synced))
}

/// How much of what was synced can be read; nothing where not even the log's header can. A log that was begun later is not
/// read through.
fn intact(log: File, synced: Synced) -> io::Result<Option<Synced>> {
    let mut log = BufReader::with_capacity(1 << 20, log);
    let mut header = [0; LOG_HEADER];
    if !fill(&mut log, &mut header)? {
        return Ok(None);
    }
    let words: Vec<u32> = header.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word)).collect();
    let [magic, _version, page, ..] = words[..] else { return Ok(None) };
    // The last bit of the first word says in which order the bytes of sums are read.
    let mut sum = Sum { is_big_endian: magic & 1 == 1, state: [0, 0] };
    let (summed, expected) = header.split_at(LOG_HEADER.saturating_sub(8));
    sum.update(summed);
    if magic & !1 != 0x377f_0682 || sum.bytes() != *expected || !(512..=65_536).contains(&page) {
        return Ok(None);
    }
    let mut found = Synced { salts: salts(&header), frames: 0 };
    if found.salts != synced.salts {
        return Ok(Some(found));
    }
    let (mut header, mut body) = ([[0; 8]; FRAME_HEADER / 8], vec![0; page as usize]);
    while found.frames < synced.frames && fill(&mut log, header.as_flattened_mut())? && fill(&mut log, &mut body)? {
        let [place, salts, expected] = header;
        sum.update(&place);
        sum.update(&body);
        if salts != found.salts || expected != sum.bytes() {
            break;
        }
        found.frames = found.frames.saturating_add(1);
    }
    Ok(Some(found))
}

/// The sum of SQLite's log, over everything from its beginning.
struct Sum {
    is_big_endian: bool,
    state: [u32; 2],
}

impl Sum {
    fn update(&mut self, bytes: &[u8]) {
        let word = if self.is_big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        let [mut a, mut b] = self.state;
        for [w, x, y, z, p, q, r, s] in bytes.as_chunks::<8>().0 {
            a = a.wrapping_add(word([*w, *x, *y, *z])).wrapping_add(b);
            b = b.wrapping_add(word([*p, *q, *r, *s])).wrapping_add(a);
        }
        self.state = [a, b];
    }

    fn bytes(&self) -> [u8; 8] {
        let [a, b] = self.state.map(u32::to_be_bytes);
        [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]]
    }
}

fn salts(header: &[u8; LOG_HEADER]) -> [u8; SALTS] {
    let mut salts = [0; SALTS];
    salts.copy_from_slice(&header[16..24]);
    salts
}

/// Whether a log was begun after another one.
fn is_later(salts: [u8; SALTS], than: [u8; SALTS]) -> bool {
    let first = |salts: [u8; SALTS]| u32::from_be_bytes([salts[0], salts[1], salts[2], salts[3]]);
    (1..=u32::MAX / 2).contains(&first(salts).wrapping_sub(first(than)))
}

/// Fills the buffer; false where the file ends before.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn failed(error: io::Error) -> StoreError {
    StoreError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use malote_common::Timestamp;

    use super::super::super::{Operation, Store, contract};
    use super::super::SqliteStore;
    use super::*;

    /// The files of a store that was killed with everything in its log.
    fn killed(folder: &Path) -> PathBuf {
        let path = folder.join("store.db");
        let mut store = SqliteStore::open(&path).unwrap();
        let ids = contract::people(&mut store, 2);
        for counter in 1..=5 {
            let submission = contract::submission(counter, &["Usuario1"], "oi");
            let submit = Operation::Submit { author: ids[0].person, device: contract::DEVICE, submission };
            store.commit(&[submit], Timestamp(1)).unwrap();
        }
        let copy = folder.join("copy.db");
        for suffix in ["", "-wal", "-mark"] {
            fs::copy(beside(&path, suffix), beside(&copy, suffix)).unwrap();
        }
        drop(store);
        assert!(!beside(&path, "-wal").exists());
        check(&path).unwrap();
        copy
    }

    fn is_refused(path: &Path) -> bool {
        let refused = check(path).is_err();
        assert_eq!(SqliteStore::open(path).is_err(), refused);
        refused
    }

    #[test]
    fn a_log_that_lacks_anything_is_refused_and_one_that_has_more_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = killed(folder.path());
        let log = beside(&path, "-wal");
        let whole = fs::read(&log).unwrap();
        for at in (0..LOG_HEADER).chain((LOG_HEADER..whole.len()).step_by(997)) {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            fs::write(&log, &bytes).unwrap();
            // The number of the log's beginnings is in no frame; only the header's sum covers it.
            assert!(check(&path).is_err(), "byte {at}");
        }
        for length in (0..whole.len()).step_by(997) {
            fs::write(&log, &whole[..length]).unwrap();
            assert!(check(&path).is_err(), "{length} bytes");
        }
        fs::remove_file(&log).unwrap();
        assert!(is_refused(&path));
        // As after a power cut in the middle of the next commit.
        fs::write(&log, [&whole[..], &[0xa5; 5_000]].concat()).unwrap();
        assert!(!is_refused(&path));
    }

    #[test]
    fn a_store_that_is_gone_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        drop(SqliteStore::open(&path).unwrap());
        fs::write(&path, b"").unwrap();
        assert!(is_refused(&path));
        fs::remove_file(&path).unwrap();
        assert!(is_refused(&path));
        fs::remove_file(beside(&path, "-mark")).unwrap();
        assert!(!is_refused(&path), "then nothing was ever there");
    }

    #[test]
    fn a_mark_that_cannot_be_read_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = killed(folder.path());
        let mark = beside(&path, "-mark");
        let whole = fs::read(&mark).unwrap();
        assert_eq!(whole.len(), BYTES);
        for length in 0..whole.len() {
            fs::write(&mark, &whole[..length]).unwrap();
            assert!(check(&path).is_ok());
        }
    }
}
