//! Where windows are shown: the display of the person who runs us, or one of our own that nobody sees.

use std::env;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;

use crate::cargo;
use crate::process::{Running, output, succeeds, text, wait_for};

/// The commonest screen, so that windows are seen as most people see them.
const OWN_SIZE: Size = Size { width: 1920, height: 1080 };

/// Assumed where the size of the person's screen cannot be asked for: the smallest that is common.
const ASSUMED_SIZE: Size = Size { width: 1366, height: 768 };

/// Xvfb and the window manager take a fraction of a second.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Pixels.
#[derive(Clone, Copy)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

pub enum Display {
    /// The one that the environment names.
    OfThePerson,
    Own(OwnDisplay),
}

/// Xvfb with a window manager, without which no window gets the keyboard. Both end when this is dropped.
pub struct OwnDisplay {
    name: String,
    _manager: Running,
    _server: Running,
}

impl Display {
    /// The display of the person who runs us, if there is one.
    pub fn of_the_person() -> Option<Display> {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        (is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")).then_some(Display::OfThePerson)
    }

    /// Starts a display of our own.
    pub fn own() -> Result<Display> {
        let screen = format!("{}x{}x24", OWN_SIZE.width, OWN_SIZE.height);
        // The number is the first free one, and is written to standard output when the display can be used. By default,
        // Xvfb starts over when its last window closes, which would throw away the window manager's claims.
        let mut xvfb = Command::new("Xvfb");
        xvfb.args(["-displayfd", "1", "-screen", "0", &screen, "-nolisten", "tcp", "-noreset"]);
        // It complains about the names of keys each time, which helps nobody.
        xvfb.stderr(Stdio::null());
        let (server, number) = Running::start_and_wait_for_line(&mut xvfb, START_LIMIT)?;
        let name = format!(":{}", number.trim());
        let keyboard = cargo::root().join("xtask/keyboard.xkb");
        output(Command::new("xkbcomp").args(["-w", "0"]).arg(keyboard).arg(&name))?;

        let mut openbox = Command::new("openbox");
        openbox.arg("--sm-disable").stdout(Stdio::null()).stderr(Stdio::null());
        on(&name, &mut openbox);
        let manager = Running::start(&mut openbox)?;
        // A window manager that has started says so in a property, which xdotool wants to see before it answers.
        wait_for("the start of the window manager", START_LIMIT, || {
            let mut question = Command::new("xdotool");
            question.arg("get_desktop").stderr(Stdio::null());
            Ok(text(on(&name, &mut question)).ok())
        })?;
        Ok(Display::Own(OwnDisplay { name, _manager: manager, _server: server }))
    }

    /// Makes a program show its windows here.
    pub fn apply<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        match self {
            Display::OfThePerson => command,
            Display::Own(own) => on(&own.name, command),
        }
    }

    pub fn size(&self) -> Size {
        match self {
            Display::Own(_) => OWN_SIZE,
            Display::OfThePerson => ask_size().unwrap_or(ASSUMED_SIZE),
        }
    }
}

/// Turns a program to one of our own displays and away from everything that belongs to the person's desktop.
fn on<'a>(display: &str, command: &'a mut Command) -> &'a mut Command {
    command
        .env("DISPLAY", display)
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .env_remove("XAUTHORITY")
        .env_remove("XMODIFIERS")
}

fn ask_size() -> Option<Size> {
    if !succeeds("xdotool", &["version"]) {
        return None;
    }
    let answer = text(Command::new("xdotool").arg("getdisplaygeometry")).ok()?;
    let (width, height) = answer.split_once(' ')?;
    Some(Size { width: width.parse().ok()?, height: height.parse().ok()? })
}
