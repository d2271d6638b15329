//! The program itself, on a display that nobody sees.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use malote_server::config::Config;
use tokio::sync::oneshot;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ConnectionExt, ImageFormat};
use x11rb::rust_connection::RustConnection;

use crate::{milliseconds, percentile, report};

const WIDTH: u16 = 1100;
const HEIGHT: u16 = 750;

/// How often the window is opened.
const STARTS: usize = 7;

/// Until a window that has been opened does nothing any more by itself.
const SETTLED: Duration = Duration::from_secs(5);

const PATIENCE: Duration = Duration::from_secs(30);

/// Turns of the wheel, and the pause behind each.
const TURNS: u32 = 300;
const PAUSE: Duration = Duration::from_millis(16);

/// Ends a program when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Opens the window on the profile `bench` in this home, and watches it.
pub fn measure(home: &Path) -> Result<()> {
    let server = start_server(home)?;
    let (_xvfb, display) = start_display()?;
    let (screen, number) = RustConnection::connect(Some(&display))?;
    let root = screen.setup().roots.get(number).context("a screen")?.root;
    let mut starts = Vec::new();
    // The first one warms the caches, as after somebody has used the window before.
    for turn in 0..=STARTS {
        let (window, time) = open(home, &display, server, &screen, root)?;
        if turn > 0 {
            starts.push(time);
        }
        if turn == STARTS {
            watch(&window, &display)?;
        }
        drop(window);
        until(|| Ok(!is_painted(&screen, root)?))?;
    }
    report("first frame, median of seven", milliseconds(percentile(starts.clone(), 50)), "ms", Some(150.0));
    report("first frame, slowest of seven", milliseconds(percentile(starts, 100)), "ms", None);
    Ok(())
}

/// What a window costs that is open.
fn watch(window: &Running, display: &str) -> Result<()> {
    sleep(SETTLED);
    report("resident memory", resident(window)? / 1e6, "MB", None);
    let before = ticks(window)?;
    sleep(Duration::from_secs(60));
    report("processor time of an idle minute", (ticks(window)? - before) as f64, "ticks", Some(0.0));
    let before = ticks(window)?;
    let mut xdotool = Command::new("timeout");
    xdotool.args(["60", "xdotool", "mousemove", "320", "500", "click", "--repeat", &TURNS.to_string()]);
    xdotool.args(["--delay", &PAUSE.as_millis().to_string(), "5"]).env("DISPLAY", display);
    ensure!(xdotool.status()?.success(), "xdotool has failed");
    let turned = (ticks(window)? - before) as f64 * 10.0;
    // All threads, with those that draw in the place of a graphics card.
    report("processor time for a turn of the wheel, drawing included", turned / f64::from(TURNS), "ms", None);
    report("resident memory behind it", resident(window)? / 1e6, "MB", None);
    Ok(())
}

/// Starts the program, and waits until its window is painted: counted from the start of the process.
fn open(
    home: &Path,
    display: &str,
    server: SocketAddr,
    screen: &RustConnection,
    root: u32,
) -> Result<(Running, Duration)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_malote"));
    command.args(["--profile", "bench", "--server", &server.to_string(), "--theme", "light"]);
    command.args(["--geometry", &format!("{WIDTH}x{HEIGHT}+0+0")]);
    command.env("MALOTE_HOME", home).env("DISPLAY", display).env("LIBGL_ALWAYS_SOFTWARE", "1");
    command.env_remove("WAYLAND_DISPLAY").env_remove("WAYLAND_SOCKET").stdout(Stdio::null());
    let start = Instant::now();
    let running = Running(command.spawn()?);
    until(|| is_painted(screen, root))?;
    Ok((running, start.elapsed()))
}

/// Whether something light stands where the window's list, form and status line are: the display itself is black.
fn is_painted(screen: &RustConnection, root: u32) -> Result<bool> {
    for (x, y) in [(WIDTH / 4, HEIGHT / 2), (WIDTH - 20, HEIGHT / 2), (WIDTH / 2, HEIGHT - 4)] {
        let image = screen.get_image(ImageFormat::Z_PIXMAP, root, x as i16, y as i16, 1, 1, u32::MAX)?.reply()?;
        if image.data.iter().take(3).any(|part| *part < 0x80) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn until(reached: impl Fn() -> Result<bool>) -> Result<()> {
    let give_up = Instant::now() + PATIENCE;
    while !reached()? {
        ensure!(Instant::now() < give_up, "the window was awaited in vain");
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Xvfb, and the name of its display.
fn start_display() -> Result<(Running, String)> {
    let mut command = Command::new("Xvfb");
    command.args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp", "-noreset"]);
    let mut xvfb = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("Xvfb")?;
    let output = xvfb.stdout.take().context("its output")?;
    let running = Running(xvfb);
    let mut number = String::new();
    BufReader::new(output).read_line(&mut number)?;
    Ok((running, format!(":{}", number.trim())))
}

/// A server on a port of its own, until the program ends.
fn start_server(home: &Path) -> Result<SocketAddr> {
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        data: home.join("server"),
        max_clients: 10,
        max_clients_per_address: 10,
        rate: Default::default(),
        plaintext: false,
        web: None,
    };
    let (ready, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(async {
            let server = malote_server::Server::bind(config).await?;
            ready.send(server.address())?;
            let (_never, stopped) = oneshot::channel::<()>();
            server.run(async { drop(stopped.await) }).await?;
            Ok(())
        })
    });
    Ok(address.recv_timeout(PATIENCE)?)
}

/// Bytes of memory that a process has now.
fn resident(window: &Running) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", window.0.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024.0)
}

/// Processor time that all threads of a process have taken, in hundredths of a second.
fn ticks(window: &Running) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", window.0.id()))?;
    // Behind the name, which may hold anything: state is the first field, user and system time the 12th and 13th.
    let (_, fields) = stat.rsplit_once(')').context("a name in brackets")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let at = |index: usize| -> Result<u64> { Ok(fields.get(index).context("a field")?.parse()?) };
    Ok(at(11)? + at(12)?)
}
