//! The computer: what it is, how fast its disk syncs, and on which core what runs.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Bytes that each probe of the disk appends: a page, as a database's log does.
const PROBE_BYTES: usize = 4096;

/// Bytes after which the probed file is written anew: those of a long log.
const PROBE_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// One core for the servers, another one for the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    pair: Option<(usize, usize)>,
}

impl Cores {
    /// The first two cores that we may use: the generator gets the first, and is moved there now. One core alone cannot be
    /// divided.
    pub fn divide() -> Result<Cores> {
        let allowed = sched_getaffinity(None).context("cannot ask for the cores")?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let cores = Cores { pair: cores.next().zip(cores.next()) };
        cores.move_to(|(generator, _)| generator)?;
        Ok(cores)
    }

    /// Everything runs wherever the system likes.
    #[cfg(test)]
    pub fn unpinned() -> Cores {
        Cores { pair: None }
    }

    /// Does something on the server's core: what is started meanwhile stays there.
    pub fn on_the_servers<T>(&self, start: impl FnOnce() -> T) -> Result<T> {
        self.move_to(|(_, server)| server)?;
        let started = start();
        self.move_to(|(generator, _)| generator)?;
        Ok(started)
    }

    fn move_to(&self, which: impl Fn((usize, usize)) -> usize) -> Result<()> {
        let Some(pair) = self.pair else { return Ok(()) };
        let mut set = CpuSet::new();
        set.set(which(pair));
        sched_setaffinity(None, &set).context("cannot choose a core")
    }

    /// In words.
    pub fn describe(&self) -> String {
        match self.pair {
            Some((generator, server)) => format!("servers on core {server}, load generator on core {generator}"),
            None => "not pinned, since there is only one core: figures of such a machine mean little".to_owned(),
        }
    }
}

/// What the computer is, as lines of Markdown's lists have them.
pub fn describe() -> Vec<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_once(':')).map_or("unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    let kilobytes: u64 = memory.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    let system = rustix::system::uname();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("an unknown distribution");
    vec![
        format!("{} × {}, {:.0} GiB of memory", cores, field("model name"), kilobytes as f64 / 1024.0 / 1024.0),
        format!(
            "{} {}, {}",
            system.sysname().to_string_lossy(),
            system.release().to_string_lossy(),
            name.trim_matches('"')
        ),
    ]
}

/// The time that a process has spent on a core, `self` for our own.
pub fn processor_time(process: &str) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let ticks = ticks_in(&stat).context("cannot read how long a process ran")?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Ticks in user and kernel mode. The program's name comes before them and may contain anything.
fn ticks_in(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11).map(str::parse::<u64>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
}

/// Asks the disk how long it takes to make something durable, on the servers' core and from a thread that sleeps
/// otherwise, as a server does: what disturbs the one disturbs the other.
pub struct DiskProbe {
    /// How many bytes to make durable.
    orders: Sender<usize>,
    times: Receiver<io::Result<Duration>>,
}

impl DiskProbe {
    /// A file of its own in this folder, which goes with the folder.
    pub fn new(folder: &Path, cores: &Cores) -> Result<DiskProbe> {
        let path = folder.join("probe");
        let mut file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let (orders, ordered) = mpsc::channel();
        let (answers, times) = mpsc::channel();
        let probe = move || {
            let times = ordered.into_iter().map(|bytes| write_and_sync(&mut file, bytes));
            times.take_while(|time| time.is_ok()).try_for_each(|time| answers.send(time))
        };
        // A thread is born where the one is that makes it.
        cores.on_the_servers(|| thread::spawn(probe))?;
        Ok(DiskProbe { orders, times })
    }

    /// Appends a page and syncs it.
    pub fn sync(&self) -> Result<Duration> {
        self.sync_bytes(PROBE_BYTES)
    }

    /// Writes so many bytes behind the last ones and syncs them. A long file is written anew from its beginning, as a log is.
    pub fn sync_bytes(&self, bytes: usize) -> Result<Duration> {
        self.orders.send(bytes).context("the disk's probe is gone")?;
        Ok(self.times.recv().context("the disk's probe is gone")??)
    }
}

fn write_and_sync(file: &mut File, bytes: usize) -> io::Result<Duration> {
    let content = vec![0x5a; bytes];
    if file.stream_position()? >= PROBE_FILE_BYTES {
        file.rewind()?;
    }
    let start = Instant::now();
    file.write_all(&content)?;
    file.sync_data()?;
    Ok(start.elapsed())
}

/// Whether as many files can be open at once as connections need.
pub fn check_open_files(needed: u64) -> Result<()> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match limit {
        Some(limit) if limit < needed => bail!("{needed} open files are needed, and {limit} are allowed (ulimit -n)"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_on_a_core_is_read_behind_any_name() {
        let stat = "1 (a) b (c)) S 0 1 1 0 -1 4194560 1 2 3 4 100 23 5 6 20 0 1 0 0";
        assert_eq!(ticks_in(stat), Some(123));
        assert_eq!(ticks_in("1 (a"), None);
        assert!(processor_time("self").is_ok());
    }

    #[test]
    fn the_disk_is_asked_in_the_folder_given() {
        let folder = tempfile::tempdir().unwrap();
        let probe = DiskProbe::new(folder.path(), &Cores::unpinned()).unwrap();
        probe.sync().unwrap();
        probe.sync().unwrap();
        assert_eq!(fs::metadata(folder.path().join("probe")).unwrap().len(), 2 * PROBE_BYTES as u64);
    }
}
