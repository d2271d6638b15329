//! A full disk: nothing is accepted that is not kept, everybody is told, and the server goes on by itself when there is space.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use malote_tests::{TestServer, wait_for};
use rand::rngs::StdRng;
use tempfile::TempDir;

use super::Trial;
use crate::figures::Figures;
use crate::people::People;

pub const FULL: Trial = Trial {
    name: "full-disk",
    what: "the server's disk is full again and again, and has space again later",
    run: full,
};

const PEOPLE: usize = 4;

/// How often the disk is full in a round.
const TIMES: u64 = 5;

const BURST: usize = 40;

/// Bytes of the disk.
const BYTES: u64 = 32 * 1024 * 1024;

fn full(plan: &mut StdRng) -> Figures {
    let disk = match SmallDisk::mount() {
        Ok(disk) => disk,
        Err(reason) => {
            println!("  left out, since no file system can be mounted here: {reason}");
            return Figures::default().count("left out", 1);
        }
    };
    let mut server = TestServer::start_in(disk.path());
    let mut people = People::start(&server, PEOPLE);
    let mut refused = 0;
    for _ in 0..TIMES {
        people.all_write(plan, BURST);
        people.settle();
        disk.fill();
        wait_for("somebody's hearing of it", || {
            people.write_some(plan, BURST);
            (people.waiting_for("server_full") > 0).then_some(())
        });
        refused += people.waiting_for("server_full");
        assert!(people.are_online(), "somebody was disconnected");
        disk.free();
        people.settle();
        assert_eq!(people.lost(server.data()), None);
    }
    server.stop();
    people.check();
    people.check_store(&server.data().join("store.db"));
    Figures::default()
        .count("times full", TIMES)
        .count("messages", people.written())
        .count("of them seen waiting for space", refused)
}

/// A small file system in memory, with a file that takes all that is left of it.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn mount() -> Result<SmallDisk, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let options = format!("size={BYTES},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "malote"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(SmallDisk { folder }),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }

    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("a file");
        while ballast.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).expect("the ballast is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The server's folder in it goes first; what is still there goes with the file system.
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}
