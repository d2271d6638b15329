//! What a program did to its files, as shim.c writes it down, and what a power cut may leave of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rand::{Rng, RngExt};

/// The unit that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// Bytes of a record before what follows it: `struct record` of shim.c.
const HEADER: usize = 24;

/// Files and what is in them.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Something that a program did.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    Write {
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        length: usize,
    },
    /// What was done before the record with this number is on the disk.
    Sync {
        began: usize,
    },
    Unlink,
    Rename {
        target: PathBuf,
    },
}

/// The notes of one process, or of several that followed each other.
#[derive(Debug, Default)]
pub struct Journal {
    /// Each with the file that it was done to, or nothing for a record that does nothing.
    deeds: Vec<Option<(PathBuf, Deed)>>,
}

/// What a power cut made of some files.
pub struct Cut {
    pub files: Files,
    /// Sectors that were written and did not reach the disk.
    pub lost_sectors: u64,
}

/// How much of what was not synced reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Everything, as where a program is killed and the system lives.
    Nothing,
    /// What was done last is lost, from some record on.
    Rest,
    /// Each sector reaches the disk with this probability: writes are dropped, reordered and torn.
    Sectors(f64),
}

impl Loss {
    /// Some kind of power cut.
    pub fn random(random: &mut impl Rng) -> Loss {
        match random.random_range(0..5) {
            0 => Loss::Rest,
            1 => Loss::Sectors(0.0),
            2 => Loss::Sectors(0.9),
            _ => Loss::Sectors(random.random_range(0.0..1.0)),
        }
    }
}

impl Journal {
    /// Reads what the shim wrote. What a killed process wrote last may be cut short.
    pub fn parse(mut bytes: &[u8]) -> Result<Journal> {
        let mut journal = Journal::default();
        // Of the process whose records these are: its files by their numbers, and its first record.
        let (mut paths, mut first) = (BTreeMap::<u16, PathBuf>::new(), 0);
        while let Some((header, rest)) = bytes.split_at_checked(HEADER) {
            let number = |at: usize| u64::from_ne_bytes(header[at..at + 8].try_into().expect("eight bytes"));
            let (offset, began) = (number(0) as usize, number(8) as usize);
            let length = u32::from_ne_bytes(header[16..20].try_into().expect("four bytes")) as usize;
            let file = u16::from_ne_bytes([header[20], header[21]]);
            let Some((content, rest)) = rest.split_at_checked(length) else { break };
            bytes = rest;
            let named = |file: u16| paths.get(&file).cloned().context("a deed to a file without a name");
            let deed = match header[22] {
                b'B' => {
                    (paths, first) = (BTreeMap::new(), journal.deeds.len());
                    None
                }
                b'O' => {
                    let path = String::from_utf8(content.to_vec()).context("a path that is no text")?;
                    paths.insert(file, path.into());
                    None
                }
                b'W' => Some((named(file)?, Deed::Write { offset, bytes: content.to_vec() })),
                b'T' => Some((named(file)?, Deed::Truncate { length: offset })),
                b'S' => Some((named(file)?, Deed::Sync { began: first + began })),
                b'U' => Some((named(file)?, Deed::Unlink)),
                b'R' => {
                    let target = named(u16::try_from(offset).context("no file's number")?)?;
                    Some((named(file)?, Deed::Rename { target }))
                }
                other => bail!("a record of kind {other}"),
            };
            journal.deeds.push(deed);
        }
        Ok(journal)
    }

    /// Does the last deed to these files, which the program was killed in or just behind.
    pub fn repeat_last(&self, files: &mut Files) {
        if let Some((path, deed)) = self.deeds.iter().rev().find_map(Option::as_ref) {
            // What was renamed is not there any more.
            let is_done = matches!(deed, Deed::Rename { .. }) && !files.contains_key(path);
            if !is_done {
                carry_out(files, path, deed, || true);
            }
        }
    }

    /// How many syncs were done.
    pub fn syncs(&self) -> u64 {
        self.count(|_, deed| matches!(deed, Deed::Sync { .. }))
    }

    /// How often a file whose name ends like this was written to at this offset, or at any.
    pub fn writes(&self, suffix: &str, at: Option<usize>) -> u64 {
        self.count(|path, deed| {
            let is_there = matches!(deed, Deed::Write { offset, .. } if at.is_none_or(|at| at == *offset));
            is_there && path.to_string_lossy().ends_with(suffix)
        })
    }

    fn count(&self, is_one: impl Fn(&Path, &Deed) -> bool) -> u64 {
        self.deeds.iter().flatten().filter(|(path, deed)| is_one(path, deed)).count() as u64
    }

    /// What is there after the cut, where `files` was there before the first deed.
    pub fn after_cut(&self, mut files: Files, loss: Loss, random: &mut impl Rng) -> Cut {
        let mut synced: BTreeMap<&Path, usize> = BTreeMap::new();
        for (path, deed) in self.deeds.iter().flatten() {
            if let Deed::Sync { began } = deed {
                let until = synced.entry(path).or_default();
                *until = (*until).max(*began);
            }
        }
        let end = random.random_range(0..=self.deeds.len());
        let mut lost_sectors = 0;
        for (number, (path, deed)) in self.deeds.iter().enumerate().filter_map(|(n, deed)| Some((n, deed.as_ref()?))) {
            let is_durable = synced.get(path.as_path()).is_some_and(|until| number < *until);
            let chance = match loss {
                _ if is_durable => 1.0,
                Loss::Nothing => 1.0,
                Loss::Rest => f64::from(u8::from(number < end)),
                Loss::Sectors(chance) => chance,
            };
            carry_out(&mut files, path, deed, || {
                let reaches = random.random_bool(chance);
                lost_sectors += u64::from(!reaches);
                reaches
            });
        }
        Cut { files, lost_sectors }
    }
}

/// Does to the files what the program did, as far as it `reaches` the disk.
fn carry_out(files: &mut Files, path: &Path, deed: &Deed, mut reaches: impl FnMut() -> bool) {
    match deed {
        Deed::Write { offset, bytes } => {
            let content = files.entry(path.to_owned()).or_default();
            let mut at = 0;
            while at < bytes.len() {
                let until = (SECTOR - (offset + at) % SECTOR + at).min(bytes.len());
                if reaches() {
                    let (first, end) = (offset + at, offset + until);
                    content.resize(content.len().max(end), 0);
                    content[first..end].copy_from_slice(&bytes[at..until]);
                }
                at = until;
            }
        }
        Deed::Truncate { length } if reaches() => files.entry(path.to_owned()).or_default().resize(*length, 0),
        Deed::Truncate { .. } | Deed::Sync { .. } => {}
        // What a folder lists is taken to be durable at once.
        Deed::Unlink => drop(files.remove(path)),
        // Also where nothing of the content is: that is what a rename without a sync before it leaves.
        Deed::Rename { target } => {
            let content = files.remove(path).unwrap_or_default();
            files.insert(target.clone(), content);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn journal(deeds: &[Deed]) -> Journal {
        Journal { deeds: deeds.iter().map(|deed| Some(("store".into(), deed.clone()))).collect() }
    }

    fn write(offset: usize, length: usize, with: u8) -> Deed {
        Deed::Write { offset, bytes: vec![with; length] }
    }

    fn content(journal: &Journal, loss: Loss, seed: u64) -> Vec<u8> {
        let cut = journal.after_cut(Files::new(), loss, &mut StdRng::seed_from_u64(seed));
        cut.files.get(&PathBuf::from("store")).cloned().unwrap_or_default()
    }

    #[test]
    fn what_was_synced_stays_and_the_rest_may_go() {
        let journal = journal(&[write(0, 2000, 1), Deed::Sync { began: 1 }, write(0, 2000, 2)]);
        for seed in 0..100 {
            let left = content(&journal, Loss::Sectors(0.5), seed);
            assert!(left.len() == 2000 && left.iter().all(|byte| [1, 2].contains(byte)));
            assert!(left[..1536].chunks(SECTOR).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        }
        let torn = (0..100).filter(|seed| {
            let left = content(&journal, Loss::Sectors(0.5), *seed);
            left.contains(&1) && left.contains(&2)
        });
        assert!(torn.count() > 50);
        assert_eq!(content(&journal, Loss::Sectors(0.0), 1), [1; 2000]);
        assert_eq!(content(&journal, Loss::Nothing, 1), [2; 2000]);
    }

    #[test]
    fn what_is_written_while_a_sync_runs_is_not_covered_by_it() {
        let journal = journal(&[write(0, 10, 1), write(10, 10, 2), Deed::Sync { began: 1 }]);
        assert_eq!(content(&journal, Loss::Sectors(0.0), 1), [1; 10]);
    }

    proptest! {
        #[test]
        fn without_loss_it_is_what_the_program_did(
            deeds in prop::collection::vec((0..3000usize, 1..3000usize, 0..5u8), 0..20),
            seed: u64,
        ) {
            let mut model: Vec<u8> = Vec::new();
            let deeds: Vec<Deed> = deeds.into_iter().map(|(offset, length, with)| {
                if with == 0 {
                    model.resize(offset, 0);
                    return Deed::Truncate { length: offset };
                }
                model.resize(model.len().max(offset + length), 0);
                model[offset..offset + length].fill(with);
                write(offset, length, with)
            }).collect();
            prop_assert_eq!(content(&journal(&deeds), Loss::Nothing, seed), &model[..]);
            let all = deeds.len();
            let synced: Vec<Deed> = deeds.into_iter().chain([Deed::Sync { began: all }]).collect();
            prop_assert_eq!(content(&journal(&synced), Loss::Sectors(0.0), seed), model);
        }
    }
}
