//! The files of the project as the rules see them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::rust::Rust;
use crate::process;

pub struct Tree {
    pub files: Vec<File>,
}

pub struct File {
    /// From the root of the project, with slashes.
    pub path: String,
    pub text: String,
    /// What the text says, where it is Rust.
    pub rust: Option<Rust>,
    /// Whether all of it is test code.
    pub is_test: bool,
}

impl Tree {
    /// Everything that is under version control or is about to be. Files that are no text are left out.
    pub fn read(root: &Path) -> Result<Tree> {
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
        let list = process::text(&mut git).context("cannot list the files of the project")?;
        let paths: BTreeSet<&str> = list.split('\0').filter(|path| !path.is_empty()).collect();
        let mut files = Vec::new();
        for path in paths {
            let full = root.join(path);
            // A file that was deleted is listed until the next commit.
            if !full.is_file() {
                continue;
            }
            let bytes = fs::read(&full).with_context(|| format!("cannot read {path}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push((path.to_owned(), text));
            }
        }
        Ok(Tree::of(files))
    }

    /// Files given as path and text.
    pub fn of(files: Vec<(String, String)>) -> Tree {
        let mut files: Vec<File> = files
            .into_iter()
            .map(|(path, text)| {
                let rust = path.ends_with(".rs").then(|| Rust::read(&text));
                File { is_test: is_test_path(&path), path, text, rust }
            })
            .collect();
        // `#[cfg(test)] mod tests;` makes a test of another file.
        let test_modules: Vec<String> = files.iter().flat_map(test_modules).collect();
        for file in &mut files {
            let stem = file.path.trim_end_matches(".rs");
            file.is_test |= test_modules.iter().any(|module| {
                stem.strip_prefix(module.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
        }
        Tree { files }
    }

    /// The Rust files in any of these folders, or all of them where there are none.
    pub fn rust_files<'a>(&'a self, folders: &'a [&str]) -> impl Iterator<Item = (&'a File, &'a Rust)> {
        let wanted = |file: &&File| folders.is_empty() || folders.iter().any(|folder| file.is_in(folder));
        self.files.iter().filter(wanted).filter_map(|file| Some((file, file.rust.as_ref()?)))
    }

    /// The manifests of the workspace's crates. Those with a workspace of their own are no members.
    pub fn manifests(&self) -> impl Iterator<Item = &File> {
        let is_member = |file: &&File| file.path.ends_with("/Cargo.toml") && !file.text.contains("[workspace]");
        self.files.iter().filter(is_member)
    }
}

impl File {
    pub fn is_in(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }
}

fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "benches")
}

/// The files, without their extension, that this file includes for tests only.
fn test_modules(file: &File) -> Vec<String> {
    let Some(rust) = &file.rust else { return Vec::new() };
    let stem = file.path.trim_end_matches(".rs");
    let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    let folder = if matches!(name, "lib" | "main" | "mod") { folder } else { stem };
    rust.test_modules.iter().map(|module| format!("{folder}/{module}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests_among(files: &[(&str, &str)]) -> Vec<String> {
        let tree = Tree::of(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect());
        tree.files.into_iter().filter(|file| file.is_test).map(|file| file.path).collect()
    }

    #[test]
    fn test_code_is_known_by_its_place_or_by_its_declaration() {
        let tests = tests_among(&[
            ("a/src/lib.rs", "#[cfg(test)]\nmod suite;\nmod suites;"),
            ("a/src/suite.rs", ""),
            ("a/src/suites.rs", "#[cfg(test)] pub mod inner;"),
            ("a/src/suites/inner/mod.rs", ""),
            ("a/tests/all.rs", ""),
        ]);
        assert_eq!(tests, ["a/src/suite.rs", "a/src/suites/inner/mod.rs", "a/tests/all.rs"]);
    }

    #[test]
    fn folders_are_whole_words() {
        let tree = Tree::of(vec![("client/a.rs".into(), String::new()), ("client-x/a.rs".into(), String::new())]);
        assert_eq!(tree.rust_files(&["client"]).count(), 1);
    }
}
