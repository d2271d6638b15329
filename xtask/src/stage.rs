//! What every demonstration needs: a server in a fresh directory, and three windows beside each other.

use std::fs::{self, DirBuilder, File};
use std::ops::RangeInclusive;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::display::Display;
use crate::process::{Running, run, text, wait_for};
use crate::xdotool::{Hand, WindowId};
use crate::{browser, cargo, interrupt};

/// How many windows there are.
pub const PEOPLE: usize = 3;

/// A window is as wide as a third of the screen allows, within these bounds; its frame takes the rest.
const WINDOW_WIDTH: RangeInclusive<u32> = 620..=740;
const FRAME_WIDTH: u32 = 4;

/// A window is at most this high, and leaves this much of the screen to its title and to the desktop's own bars.
const WINDOW_HEIGHT: u32 = 900;
const BARS_HEIGHT: u32 = 100;

/// The server makes its key and its store; on a busy machine that takes seconds.
const SERVER_LIMIT: Duration = Duration::from_secs(30);

/// A window shows itself and logs in within a second, but software rendering on a busy machine takes longer.
const LOGIN_LIMIT: Duration = Duration::from_secs(60);

/// What stands in the title of the page's window.
const PAGE_TITLE: &str = "Malote";

/// What the server writes into its log for every login.
const LOGGED_IN: &str = "logged in";

/// A server with its windows. The fields end in this order: windows before the server, the directory last.
pub struct Stage {
    windows: Vec<Window>,
    browser: Option<Window>,
    server: Running,
    address: String,
    /// Where browsers find the page.
    page: String,
    display: Display,
    log: Log,
    home: Folder,
}

/// One window with the person in front of it.
pub struct Window {
    /// The name that the server gives by order of arrival, and the profile that the person keeps.
    pub number: usize,
    pub process: Running,
}

/// The name that the server gives to the person who arrives at this place in the order.
pub fn name(number: usize) -> String {
    format!("Usuario{number}")
}

/// Builds the programs that are shown.
pub fn build() -> Result<()> {
    println!("Building the server, the window and the command line …");
    // All of the workspace, though not all of it is shown: the features of dependencies are those that the chosen crates
    // ask for together, and a choice of our own would build half of them twice for whoever also runs `cargo verify`.
    run(&mut cargo::command(&["build", "--workspace", "--bins"]))
}

impl Stage {
    /// Starts the server and, one after the other so that their names are known, the windows.
    pub fn start(display: Display) -> Result<Stage> {
        let home = Folder::create()?;
        let log = Log::create(home.path.join("server.log"))?;
        let mut command = program("malote-server")?;
        command.args(["--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--data"]).arg(home.path.join("server"));
        command.env("MALOTE_LOG", "info").stderr(log.writer()?);
        let (server, line) =
            Running::start_and_wait_for_line(&mut command, SERVER_LIMIT).with_context(|| log.last_lines())?;
        let words: Vec<&str> = line.split(' ').collect();
        let ["malote-server", "ready", address, _, "web", page] = words[..] else {
            bail!("malote-server says \"{line}\" instead of where it is ready");
        };
        println!("The server is ready on {address}, and for browsers on {page}.");

        let (address, page) = (address.to_owned(), page.to_owned());
        let mut stage = Stage { windows: Vec::new(), browser: None, server, address, page, display, log, home };
        for number in 0..PEOPLE {
            stage.open_window(number)?;
        }
        Ok(stage)
    }

    fn open_window(&mut self, number: usize) -> Result<()> {
        let log = Log::create(self.home.path.join(format!("window-{number}.log")))?;
        let mut command = program("malote")?;
        command.args(["--server", &self.address, "--profile", &number.to_string()]);
        command.args(["--geometry", &self.place(number)]);
        command.env("MALOTE_HOME", self.profiles()).stdout(Stdio::null()).stderr(log.writer()?);
        let mut process = Running::start(self.display.apply(&mut command))?;

        // The server's log tells of the login on every kind of display; titles can be read on X11 only.
        wait_for(&format!("the login of {}", name(number)), LOGIN_LIMIT, || {
            if let Some(status) = process.ended()? {
                bail!("The window of {} ended ({status}). {}", name(number), log.last_lines());
            }
            let logins = self.log.read().matches(LOGGED_IN).count();
            Ok((logins > number).then_some(()))
        })?;
        println!("{} is there.", name(number));
        self.windows.push(Window { number, process });
        Ok(())
    }

    /// Opens the page in a browser, for one person more.
    pub fn open_browser(&mut self) -> Result<()> {
        let number = self.windows.len();
        let mut process = browser::open(&self.page, &self.home.path.join("browser"), &self.display)?;
        wait_for(&format!("the login of {}", name(number)), LOGIN_LIMIT, || {
            if let Some(status) = process.ended()? {
                bail!("The browser ended ({status}). {}", self.log.last_lines());
            }
            let logins = self.log.read().matches(LOGGED_IN).count();
            Ok((logins > number).then_some(()))
        })?;
        println!("{} is there, in a browser.", name(number));
        self.browser = Some(Window { number, process });
        Ok(())
    }

    /// Beside each other; where the screen is too narrow, they cover each other in part.
    fn place(&self, number: usize) -> String {
        let (people, screen) = (PEOPLE as u32, self.display.size());
        let third = (screen.width / people).saturating_sub(FRAME_WIDTH);
        let width = third.clamp(*WINDOW_WIDTH.start(), *WINDOW_WIDTH.end());
        let height = screen.height.saturating_sub(BARS_HEIGHT).min(WINDOW_HEIGHT);
        let step = (width + FRAME_WIDTH).min(screen.width.saturating_sub(width) / (people - 1));
        format!("{width}x{height}+{}+0", number as u32 * step)
    }

    pub fn display(&self) -> &Display {
        &self.display
    }

    /// The window of this person, on a display of our own.
    pub fn window(&self, number: usize) -> Result<WindowId> {
        let hand = Hand::on(&self.display);
        match self.browser.as_ref().filter(|browser| browser.number == number) {
            Some(browser) => hand.find_window(browser.process.pid(), PAGE_TITLE),
            None => hand.find_window(self.windows[number].process.pid(), &name(number)),
        }
    }

    /// Waits until all windows are closed or somebody asks us to stop.
    pub fn wait_for_end(&mut self) -> Result<()> {
        while !self.windows.is_empty() && !interrupt::asked() {
            let mut open = Vec::new();
            for mut window in self.windows.drain(..) {
                if !window.process.ends_within(Duration::from_millis(100))? {
                    open.push(window);
                }
            }
            self.windows = open;
            if let Some(status) = self.server.ended()? {
                bail!("The server ended ({status}). {}", self.log.last_lines());
            }
        }
        Ok(())
    }

    /// Photographs every window, and gives the files.
    pub fn photograph(&self) -> Result<Vec<PathBuf>> {
        let hand = Hand::on(&self.display);
        let folder = cargo::demo_folder()?;
        let mut files = Vec::new();
        for number in 0..PEOPLE + usize::from(self.browser.is_some()) {
            let file = folder.join(format!("{}.png", name(number)));
            let window = self.window(number)?;
            hand.activate(&window)?;
            // What is animated has come to rest by then.
            std::thread::sleep(Duration::from_millis(500));
            hand.photograph(&window, &file)?;
            files.push(file);
        }
        Ok(files)
    }

    /// Closes the windows as their users would, and makes sure that they end well.
    pub fn close_windows(&mut self) -> Result<()> {
        let hand = Hand::on(&self.display);
        // A browser that is ended from outside keeps its profile to itself, which nobody looks at any more.
        self.browser = None;
        for number in 0..PEOPLE {
            hand.activate(&self.window(number)?)?;
            hand.press("alt+F4")?;
        }
        for mut window in self.windows.drain(..) {
            let who = name(window.number);
            let status = wait_for(&format!("the closing of {who}'s window"), LOGIN_LIMIT, || window.process.ended())?;
            if !status.success() {
                bail!("The window of {who} was closed and ended badly ({status})");
            }
        }
        Ok(())
    }

    /// What the command line prints for this person, whose window must be closed.
    pub fn command_line(&self, number: usize, words: &[&str]) -> Result<String> {
        let mut command = program("malote-cli")?;
        command.args(["--server", &self.address, "--profile", &number.to_string(), "--json"]).args(words);
        text(command.env("MALOTE_HOME", self.profiles()))
    }

    fn profiles(&self) -> PathBuf {
        self.home.path.join("profiles")
    }
}

fn program(name: &str) -> Result<Command> {
    Ok(Command::new(cargo::programs()?.join(name)))
}

/// What a program says while it runs.
struct Log {
    path: PathBuf,
}

impl Log {
    fn create(path: PathBuf) -> Result<Log> {
        File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Log { path })
    }

    fn writer(&self) -> Result<File> {
        let file = File::options().append(true).open(&self.path);
        file.with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// What has been said so far. A log that cannot be read says nothing.
    fn read(&self) -> String {
        fs::read_to_string(&self.path).unwrap_or_default()
    }

    /// The end of it, for a report: the file goes away with the directory.
    fn last_lines(&self) -> String {
        let text = self.read();
        let lines: Vec<&str> = text.lines().collect();
        format!("The last lines of its log:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"))
    }
}

/// A fresh directory that only we can read, removed when this is dropped.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn create() -> Result<Folder> {
        let path = std::env::temp_dir().join(format!("malote-demo-{}", std::process::id()));
        // It fails where the directory exists, so nobody can have prepared it for us.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Folder { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("{} is left behind: {error}", self.path.display());
        }
    }
}
