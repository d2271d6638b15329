//! A hand and an eye on a display of our own: typing, clicking and taking pictures through the X server, so that a window
//! gets exactly what it would get from a person.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::display::Display;
use crate::picture::Picture;
use crate::process::{output, text, wait_for};

/// Windows come to the front and pictures change within a few frames; software rendering on a busy machine takes longer.
const LIMIT: Duration = Duration::from_secs(20);

/// Between the parts of one movement, so that the window sees them one after the other.
const PAUSE: Duration = Duration::from_millis(80);

/// A window in the words of the X server.
pub type WindowId = String;

pub struct Hand<'a> {
    display: &'a Display,
}

impl<'a> Hand<'a> {
    pub fn on(display: &'a Display) -> Hand<'a> {
        Hand { display }
    }

    /// The window of this process, once its title contains these words.
    pub fn find_window(&self, pid: u32, title: &str) -> Result<WindowId> {
        wait_for(&format!("a window titled {title}"), LIMIT, || {
            let pid = pid.to_string();
            // Finding nothing is a failure to xdotool; to us it is nothing yet.
            let found = self.xdotool(&["search", "--onlyvisible", "--pid", &pid]).unwrap_or_default();
            Ok(found.lines().find(|id| self.title(id).is_ok_and(|text| text.contains(title))).map(str::to_owned))
        })
    }

    pub fn title(&self, window: &str) -> Result<String> {
        self.xdotool(&["getwindowname", window])
    }

    /// Brings a window to the front and gives it the keyboard.
    pub fn activate(&self, window: &str) -> Result<()> {
        self.xdotool(&["windowactivate", window])?;
        wait_for("a window's coming to the front", LIMIT, || {
            Ok(self.xdotool(&["getactivewindow"]).is_ok_and(|active| active == window).then_some(()))
        })?;
        sleep(PAUSE);
        Ok(())
    }

    /// Presses a key in the window that has the keyboard, as in `ctrl+Return`.
    pub fn press(&self, key: &str) -> Result<()> {
        self.xdotool(&["key", "--clearmodifiers", key])?;
        sleep(PAUSE);
        Ok(())
    }

    /// Types into the window that has the keyboard.
    pub fn write(&self, words: &str) -> Result<()> {
        self.xdotool(&["type", "--clearmodifiers", "--delay", "20", words])?;
        sleep(PAUSE);
        Ok(())
    }

    /// Clicks at a place in pixels from the window's top left corner, and then moves the pointer out of the way: what is
    /// under it has another colour.
    pub fn click(&self, window: &str, (x, y): (usize, usize)) -> Result<()> {
        self.xdotool(&["mousemove", "--window", window, &x.to_string(), &y.to_string()])?;
        sleep(PAUSE);
        self.xdotool(&["mousedown", "1"])?;
        sleep(PAUSE);
        self.xdotool(&["mouseup", "1"])?;
        sleep(PAUSE);
        let below = (self.display.size().height - 1).to_string();
        self.xdotool(&["mousemove", "0", &below])?;
        sleep(PAUSE);
        Ok(())
    }

    /// The pixels of a window that is in front.
    pub fn look(&self, window: &str) -> Result<Picture> {
        let ppm = output(self.import(window).args(["-depth", "8", "ppm:-"]))?;
        Picture::from_ppm(&ppm)
    }

    /// Saves a picture of a window that is in front.
    pub fn photograph(&self, window: &str, file: &Path) -> Result<()> {
        output(self.import(window).arg(file)).with_context(|| format!("no picture {}", file.display()))?;
        Ok(())
    }

    fn import(&self, window: &str) -> Command {
        let mut command = Command::new("import");
        command.args(["-silent", "-window", window]);
        self.display.apply(&mut command);
        command
    }

    fn xdotool(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new("xdotool");
        // It reads what it types in the locale's encoding, and fresh machines have none but ASCII. This one always exists.
        command.args(words).env("LC_ALL", "C.UTF-8");
        text(self.display.apply(&mut command))
    }
}
