//! The programs as scripts and people meet them: flags, outputs, statuses, sentences (section 8 of the design).

mod doctor;
mod names;
mod privacy;
mod profiles;
mod reading;
mod rooms;
mod sending;
mod serving;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use malote_client::Reader;
use malote_tests::{Cli, Running, wait_for};
use malote_texts::{Language, Texts, Value};

const ANY_PORT: &str = "127.0.0.1:0";

const LANGUAGES: [Language; 2] = [Language::Portuguese, Language::English];

/// Lets somebody watch. Whom the server does not know yet is known when this returns; of anybody else the archive has the
/// name from earlier, so they may still be connecting.
fn watching(person: &Cli, arguments: &[&str]) -> Running {
    let mut watch = person.start(&[arguments, &["watch"]].concat());
    wait_for("the server's greeting", || {
        assert!(!watch.has_ended(), "watch ended: {}", watch.stderr());
        let archive = Reader::open(&person.profile().join("archive.db"), person.server()).ok()?;
        archive.name_at(person.server()).ok()?
    });
    watch
}

/// Nobody else may read anything in this folder. Returns what is in it.
#[track_caller]
fn check_private(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{} has mode {:o}", path.display(), mode(&path));
        if path.is_dir() {
            found.extend(check_private(&path));
        }
        found.push(path);
    }
    found
}

/// Nothing that acts on a terminal, apart from line feeds.
#[track_caller]
fn check_harmless(printed: &str) {
    let acts = |c: char| {
        let hides = matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
        (c.is_control() && c != '\n') || ('\u{2028}'..='\u{202e}').contains(&c) || c == '\u{2067}' || hides
    };
    assert!(!printed.contains(acts), "{printed:?}");
}

fn sentence(language: Language, key: &str, args: &[(&'static str, Value)]) -> String {
    let sentence = Texts::new(language).find(key, args);
    sentence.unwrap_or_else(|| panic!("there is no {key} in {}", language.tag()))
}

/// A path where nothing can be made, not even by root.
fn below_a_file(directory: &Path) -> PathBuf {
    let file = directory.join("a file");
    fs::write(&file, "").unwrap();
    file.join("below")
}

fn why_not_made(path: &Path) -> String {
    fs::create_dir_all(path).unwrap_err().to_string()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn text(path: &Path) -> &str {
    path.to_str().expect("folders for tests have plain names")
}
