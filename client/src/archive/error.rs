//! What goes wrong with the disk.

use std::path::{Path, PathBuf};

/// The archive could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    #[error("the disk is full")]
    DiskFull,
    #[error("{}: {reason}", path.display())]
    Failed { path: PathBuf, reason: String },
}

/// An error as users learn it. On a full disk the file that readers and writer share cannot even be made, which SQLite gives
/// a code of its own.
pub fn explained(path: &Path, error: &rusqlite::Error) -> ArchiveError {
    match error.sqlite_error().map(|error| (error.code, error.extended_code)) {
        Some((rusqlite::ErrorCode::DiskFull, _) | (_, rusqlite::ffi::SQLITE_IOERR_SHMSIZE)) => ArchiveError::DiskFull,
        _ => ArchiveError::Failed { path: path.to_owned(), reason: error.to_string() },
    }
}
