//! `cargo demo`: the whole system at once, to try out.

use anyhow::Result;

use crate::display::Display;
use crate::stage::{self, Stage};
use crate::system;

pub fn run() -> Result<()> {
    match Display::of_the_person() {
        Some(display) => try_out(display),
        None => show(),
    }
}

/// Three windows for the person to play with.
fn try_out(display: Display) -> Result<()> {
    system::prepare_for_windows()?;
    stage::build()?;
    let mut stage = Stage::start(display)?;
    println!("Write from one window to another. The demo ends when you close all three, or with Ctrl+C.");
    stage.wait_for_end()
}

/// Three windows that nobody sees: pictures of them are all there is to have.
fn show() -> Result<()> {
    println!("There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set).");
    println!("The windows are shown on Xvfb, which nobody sees, and a screenshot of each is saved.");
    system::prepare_for_own_display()?;
    stage::build()?;
    let stage = Stage::start(Display::own()?)?;
    for file in stage.photograph()? {
        println!("Screenshot: {}", file.display());
    }
    println!("To see them exchange messages, run `cargo demo --script`; to use them, run this on a desktop.");
    Ok(())
}
