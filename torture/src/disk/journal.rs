//! What a program did to its files, as shim.c writes it down, and what a power cut may leave of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
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
        target: u16,
    },
}

/// The notes of one process.
#[derive(Debug, Default)]
pub struct Journal {
    /// By the numbers that the shim gave them.
    paths: BTreeMap<u16, PathBuf>,
    /// Each with the file that it was done to, or nothing for a record that only names a file.
    deeds: Vec<Option<(u16, Deed)>>,
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
        while let Some((header, rest)) = bytes.split_at_checked(HEADER) {
            let number = |at: usize| u64::from_ne_bytes(header[at..at + 8].try_into().expect("eight bytes"));
            let (offset, began) = (number(0) as usize, number(8) as usize);
            let length = u32::from_ne_bytes(header[16..20].try_into().expect("four bytes")) as usize;
            let file = u16::from_ne_bytes([header[20], header[21]]);
            let Some((content, rest)) = rest.split_at_checked(length) else { break };
            bytes = rest;
            let deed = match header[22] {
                b'O' => {
                    let path = String::from_utf8(content.to_vec()).context("a path that is no text")?;
                    journal.paths.insert(file, path.into());
                    None
                }
                b'W' => Some(Deed::Write { offset, bytes: content.to_vec() }),
                b'T' => Some(Deed::Truncate { length: offset }),
                b'S' => Some(Deed::Sync { began }),
                b'U' => Some(Deed::Unlink),
                b'R' => Some(Deed::Rename { target: u16::try_from(offset).context("no file's number")? }),
                other => bail!("a record of kind {other}"),
            };
            ensure!(journal.paths.contains_key(&file), "a deed to a file without a name");
            journal.deeds.push(deed.map(|deed| (file, deed)));
        }
        Ok(journal)
    }

    /// Does the last deed to these files, which the program was killed in or just behind.
    pub fn repeat_last(&self, files: &mut Files) {
        if let Some((file, deed)) = self.deeds.iter().rev().find_map(Option::as_ref) {
            self.carry_out(files, *file, deed, || true);
        }
    }

    /// How many syncs were done.
    pub fn syncs(&self) -> usize {
        self.deeds.iter().flatten().filter(|(_, deed)| matches!(deed, Deed::Sync { .. })).count()
    }

    /// What is there after the cut, where `files` was there before the first deed.
    pub fn after_cut(&self, mut files: Files, loss: Loss, random: &mut impl Rng) -> Files {
        let mut synced: BTreeMap<u16, usize> = BTreeMap::new();
        for (file, deed) in self.deeds.iter().flatten() {
            if let Deed::Sync { began } = deed {
                let until = synced.entry(*file).or_default();
                *until = (*until).max(*began);
            }
        }
        let end = random.random_range(0..=self.deeds.len());
        for (number, (file, deed)) in self.deeds.iter().enumerate().filter_map(|(n, deed)| Some((n, deed.as_ref()?))) {
            let is_durable = synced.get(file).is_some_and(|until| number < *until);
            let chance = match loss {
                _ if is_durable => 1.0,
                Loss::Nothing => 1.0,
                Loss::Rest => f64::from(u8::from(number < end)),
                Loss::Sectors(chance) => chance,
            };
            self.carry_out(&mut files, *file, deed, || random.random_bool(chance));
        }
        files
    }

    /// Does to the files what the program did, as far as it `reaches` the disk.
    fn carry_out(&self, files: &mut Files, file: u16, deed: &Deed, mut reaches: impl FnMut() -> bool) {
        let path = &self.paths[&file];
        match deed {
            Deed::Write { offset, bytes } => {
                let content = files.entry(path.clone()).or_default();
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
            Deed::Truncate { length } if reaches() => files.entry(path.clone()).or_default().resize(*length, 0),
            Deed::Truncate { .. } | Deed::Sync { .. } => {}
            // What a folder lists is taken to be durable at once.
            Deed::Unlink => drop(files.remove(path)),
            Deed::Rename { target } => {
                if let Some(content) = files.remove(path) {
                    files.insert(self.paths[target].clone(), content);
                }
            }
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
        Journal {
            paths: [(1, "store".into())].into(),
            deeds: deeds.iter().map(|deed| Some((1, deed.clone()))).collect(),
        }
    }

    fn write(offset: usize, length: usize, with: u8) -> Deed {
        Deed::Write { offset, bytes: vec![with; length] }
    }

    fn content(journal: &Journal, loss: Loss, seed: u64) -> Vec<u8> {
        let files = journal.after_cut(Files::new(), loss, &mut StdRng::seed_from_u64(seed));
        files.get(&PathBuf::from("store")).cloned().unwrap_or_default()
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
