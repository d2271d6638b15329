//! A disk that is soon full.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A small file system in memory, with a file that takes all that is left of it. It is gone when this is dropped.
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Makes one of so many bytes. Where we may not, it says why and returns nothing: the test is left out.
    pub fn mount(bytes: u64) -> Option<SmallDisk> {
        let mounted = SmallDisk::try_mount(bytes);
        if let Err(reason) = &mounted {
            // Not with println, which the test harness keeps to itself where a test passes.
            let _ = writeln!(io::stderr(), "  left out, since no file system can be mounted here: {reason}");
        }
        mounted.ok()
    }

    fn try_mount(bytes: u64) -> Result<SmallDisk, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let options = format!("size={bytes},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "malote"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(SmallDisk { folder }),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all the space that is left.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("a file");
        while ballast.write_all(&[0; 4096]).is_ok() {}
    }

    /// Gives it back.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).expect("the ballast is there");
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Folders in it go first; what is still there goes with the file system.
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}
