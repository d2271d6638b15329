//! Somebody without the program: a browser's window with the page that the server offers.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::display::Display;
use crate::process::{Running, text};

/// What Debian and its relatives call it.
pub const PROGRAM: &str = "chromium";

/// Opens the page in a window without tabs, with a fresh profile in this folder.
pub fn open(url: &str, profile: &Path, display: &Display) -> Result<Running> {
    let mut command = Command::new(PROGRAM);
    command.arg(format!("--app={url}")).arg(format!("--user-data-dir={}", profile.display()));
    command.args(["--no-first-run", "--no-default-browser-check", "--password-store=basic", "--disable-sync"]);
    command.args(["--disable-gpu", "--disable-background-networking", "--window-size=1000,760", "--accept-lang=pt-BR"]);
    if text(Command::new("id").arg("-u"))?.trim() == "0" {
        // Chromium has no sandbox for the administrator, and says so instead of starting, or above the page.
        command.args(["--no-sandbox", "--test-type"]);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Running::start(display.apply(&mut command))
}
