//! Rules about what may know what.

use super::Finding;
use super::manifest::{self, Kind};
use super::rust::{has_word, has_word_beginning};
use super::tree::{File, Tree};

/// The protocol can be tested in virtual time, and used by any client, because `common` does nothing by itself.
pub fn common_is_pure(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, rust) in tree.rust_files(&["common/src"]) {
        for (line, code) in rust.lines() {
            let from_std = ["fs", "net"].into_iter().find(|module| {
                code.contains(&format!("std::{module}")) || code.contains("std::{") && has_word(code, module)
            });
            let clock = ["SystemTime", "Instant"].into_iter().find(|clock| code.contains(&format!("{clock}::now")));
            let tokio = has_word_beginning(code, "tokio").then_some("tokio");
            if let Some(word) = from_std.or(clock).or(tokio) {
                let advice = format!("`{word}` does not belong into common: take what it gives as an argument.");
                findings.push(Finding::new(&file.path, line, advice));
            }
        }
    }
    findings
}

/// Everything but the window works without a display, and egui can be replaced in one place.
pub fn toolkit_in_the_window_only(tree: &Tree) -> Vec<Finding> {
    const ADVICE: &str = "Only gui-client knows egui: move this there.";
    let is_toolkit = |name: &str| name.starts_with("egui") || name.starts_with("eframe");
    let elsewhere = |file: &File| !file.is_in("gui-client");
    let mut findings = dependencies_named(tree, elsewhere, is_toolkit, ADVICE);
    for (file, rust) in tree.rust_files(&[]).filter(|(file, _)| elsewhere(file)) {
        for (line, code) in rust.lines() {
            if has_word_beginning(code, "egui") || has_word_beginning(code, "eframe") {
                findings.push(Finding::new(&file.path, line, ADVICE));
            }
        }
    }
    findings
}

/// `bincode` is unmaintained (RUSTSEC-2025-0141). One file keeps its dangers, and could do without it.
pub fn bincode_in_one_file(tree: &Tree) -> Vec<Finding> {
    const HOME: &str = "common/src/codec.rs";
    let advice = format!("Only {HOME} calls bincode, under a limit: use the functions there.");
    let mut findings = dependencies_named(tree, |file| !file.is_in("common"), |name| name == "bincode", &advice);
    for (file, rust) in tree.rust_files(&[]).filter(|(file, _)| file.path != HOME) {
        for (line, code) in rust.lines() {
            if has_word(code, "bincode") {
                findings.push(Finding::new(&file.path, line, &advice));
            }
        }
    }
    findings
}

/// They meet on the wire only. In tests they may run against each other.
pub fn server_and_client_apart(tree: &Tree) -> Vec<Finding> {
    const ADVICE: &str = "Server and client meet on the wire only: what both need belongs into common.";
    let mut findings = Vec::new();
    for (folder, other) in [("server", "malote-client"), ("client", "malote-server")] {
        let Some(file) = tree.manifests().find(|file| file.is_in(folder)) else { continue };
        for dependency in manifest::dependencies(&file.text) {
            if dependency.name == other && dependency.kind != Kind::Dev {
                findings.push(Finding::new(&file.path, dependency.line, ADVICE));
            }
        }
    }
    findings
}

/// One file decides what the window looks like, light and dark.
pub fn colors_in_the_theme_only(tree: &Tree) -> Vec<Finding> {
    const THEME: &str = "gui-client/src/theme.rs";
    let advice = format!("Colours are chosen in {THEME}: give this one a name there.");
    let mut findings = Vec::new();
    for (file, rust) in tree.rust_files(&[]).filter(|(file, _)| file.path != THEME && !file.is_test) {
        for (line, code) in rust.product_lines() {
            let is_chosen = |(at, path): (usize, &str)| {
                let what = &code[at + path.len()..];
                what.starts_with("from_") || what.starts_with(|letter: char| letter.is_ascii_uppercase())
            };
            if code.match_indices("Color32::").any(is_chosen) || has_word(code, "hex_color") {
                findings.push(Finding::new(&file.path, line, &advice));
            }
        }
    }
    findings
}

fn dependencies_named(
    tree: &Tree,
    in_files: impl Fn(&File) -> bool,
    has_name: impl Fn(&str) -> bool,
    advice: &str,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.manifests().filter(|file| in_files(file)) {
        for dependency in manifest::dependencies(&file.text).iter().filter(|dependency| has_name(&dependency.name)) {
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
    fn common_does_nothing_by_itself() {
        let text = "use std::fs;\nuse std::{io, net};\nlet t = Instant::now();\nuse tokio_util::x;\n\
                    // std::fs in a comment\nlet s = \"tokio\";\nlet next = std::iter::once(1);";
        let expected = ["common/src/a.rs:1", "common/src/a.rs:2", "common/src/a.rs:3", "common/src/a.rs:4"];
        check(common_is_pure, &[("common/src/a.rs", text), ("server/src/a.rs", text)], &expected);
    }

    #[test]
    fn the_toolkit_stays_in_its_crate() {
        let files = [
            ("gui-client/Cargo.toml", "[dependencies]\neframe.workspace = true"),
            ("gui-client/src/main.rs", "use eframe::egui;"),
            ("client/Cargo.toml", "[dependencies]\negui_extras.workspace = true"),
            ("client/src/lib.rs", "// egui\nfn f(ui: &mut egui::Ui) {}"),
        ];
        check(toolkit_in_the_window_only, &files, &["client/Cargo.toml:2", "client/src/lib.rs:2"]);
    }

    #[test]
    fn bincode_stays_in_its_file() {
        let files = [
            ("common/src/codec.rs", "bincode::decode()"),
            ("common/src/frame.rs", "use bincode;"),
            ("server/Cargo.toml", "[dependencies]\nbincode.workspace = true"),
        ];
        check(bincode_in_one_file, &files, &["server/Cargo.toml:2", "common/src/frame.rs:1"]);
    }

    #[test]
    fn server_and_client_meet_in_tests_only() {
        let files = [
            ("server/Cargo.toml", "[dev-dependencies]\nmalote-client.workspace = true"),
            ("client/Cargo.toml", "[dependencies]\nmalote-server.workspace = true"),
        ];
        check(server_and_client_apart, &files, &["client/Cargo.toml:2"]);
    }

    #[test]
    fn colors_are_named_in_the_theme() {
        let text = "let a = Color32::from_rgb(1, 2, 3);\nlet b = egui::Color32::WHITE;\nlet c: Color32 = theme.ink;\n\
                    hex_color!(\"#123456\");\n#[cfg(test)]\nmod tests { const C: Color32 = Color32::RED; }";
        let expected = ["gui-client/src/app.rs:1", "gui-client/src/app.rs:2", "gui-client/src/app.rs:4"];
        let files = [("gui-client/src/theme.rs", text), ("gui-client/src/app.rs", text)];
        check(colors_in_the_theme_only, &files, &expected);
    }
}
