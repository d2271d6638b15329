//! Rules that keep the code easy to trust and to move.

use super::Finding;
use super::manifest;
use super::tree::Tree;

/// A file that is longer, without its tests, is hard to read in one go.
const LONG: usize = 500;

/// How a long file says why it is one, within its first lines.
const LONG_BECAUSE: &str = "Long because:";
const FIRST_LINES: usize = 30;

/// What the network or the disk sends must never end a program of ours.
pub fn nothing_is_unwrapped(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let folders = ["common/src", "server/src", "client/src", "gui-client/src", "cli/src", "texts/src"];
    for (file, rust) in tree.rust_files(&folders).filter(|(file, _)| !file.is_test) {
        for (line, code) in rust.product_lines() {
            if code.contains(".unwrap()") || code.contains(".expect(") {
                let advice = "A missing value ends the program here: pass the error on, or handle it.";
                findings.push(Finding::new(&file.path, line, advice));
            }
        }
    }
    findings
}

pub fn long_files_say_why(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, rust) in tree.rust_files(&[]).filter(|(file, _)| !file.is_test) {
        let length = rust.product_lines().count();
        let says_why = file.text.lines().take(FIRST_LINES).any(|line| line.contains(LONG_BECAUSE));
        if length > LONG && !says_why {
            let advice =
                format!("{length} lines are much for one file: divide it, or write `// {LONG_BECAUSE} …` above.");
            findings.push(Finding::new(&file.path, 1, advice));
        }
    }
    findings
}

/// What names a place on the author's computer works there only, and tells strangers about it.
pub fn no_paths_of_a_machine(tree: &Tree) -> Vec<Finding> {
    // Put together here, so that this file does not break its own rule.
    let places = ["home", "root", "work"].map(|folder| format!("/{folder}/"));
    // Part of a longer path, as in `example.org/home/`, it is no place on a machine.
    let is_longer =
        |before: &str| before.ends_with(|letter: char| letter.is_alphanumeric() || "._-~})".contains(letter));
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.path != "Cargo.lock") {
        for (index, line) in file.text.lines().enumerate() {
            let finds = |place: &String| line.match_indices(place).any(|(at, _)| !is_longer(&line[..at]));
            if let Some(place) = places.iter().find(|place| finds(place)) {
                let advice =
                    format!("`{place}` is a place on one machine: write a relative path or ask the environment.");
                findings.push(Finding::new(&file.path, index + 1, advice));
            }
        }
    }
    findings
}

/// Two crates with two versions of the same dependency would not fit together.
pub fn versions_in_one_place(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.manifests() {
        for dependency in manifest::dependencies(&file.text).iter().filter(|dependency| !dependency.is_inherited) {
            let name = &dependency.name;
            let advice =
                format!("Put the version of {name} into the workspace's Cargo.toml; here, `{name}.workspace = true`.");
            findings.push(Finding::new(&file.path, dependency.line, advice));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;

    #[test]
    fn unwrapping_is_for_tests() {
        let text = "a.unwrap();\nb\n    .expect(\"\");\nc.unwrap_or(1);\n#[cfg(test)]\nmod tests {\n    fn d() { e.unwrap() }\n}";
        let files = [("cli/src/a.rs", text), ("cli/tests/a.rs", text), ("xtask/src/a.rs", text)];
        check(nothing_is_unwrapped, &files, &["cli/src/a.rs:1", "cli/src/a.rs:3"]);
    }

    #[test]
    fn long_files_need_a_reason() {
        let long = "fn a() {}\n".repeat(LONG + 1);
        let with_reason = format!("//! Everything.\n// {LONG_BECAUSE} it is a table.\n{long}");
        let with_tests = format!("#[cfg(test)]\nmod tests {{\n{long}}}");
        let files = [
            ("a/src/long.rs", long.as_str()),
            ("a/src/reason.rs", with_reason.as_str()),
            ("a/src/tested.rs", with_tests.as_str()),
            ("a/tests/long.rs", long.as_str()),
        ];
        check(long_files_say_why, &files, &["a/src/long.rs:1"]);
    }

    #[test]
    fn places_on_a_machine_are_found_in_every_file() {
        let place = format!("see {}", ["", "home", "ana", "x"].join("/"));
        let address = ["https://example.org", "home", "x"].join("/");
        let files = [("README.md", place.as_str()), ("Cargo.lock", place.as_str()), ("a.rs", address.as_str())];
        check(no_paths_of_a_machine, &files, &["README.md:1"]);
    }

    #[test]
    fn versions_stand_in_the_workspace() {
        let files = [
            ("Cargo.toml", "[workspace.dependencies]\na = \"1\""),
            ("b/Cargo.toml", "[dependencies]\na = \"1\"\nc.workspace = true"),
            ("fuzz/Cargo.toml", "[workspace]\n[dependencies]\na = \"1\""),
        ];
        check(versions_in_one_place, &files, &["b/Cargo.toml:2"]);
    }
}
