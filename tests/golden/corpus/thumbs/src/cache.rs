//! Thumbnails on disk, so that each is made once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A folder of thumbnails that never grows beyond a number of bytes.
pub struct DiskCache {
    folder: PathBuf,
    limit: u64,
}

impl DiskCache {
    pub fn new(folder: &Path, limit: u64) -> Self {
        DiskCache { folder: folder.to_path_buf(), limit }
    }

    /// The thumbnail of an article, or None when it has not been made.
    pub fn get(&self, article: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.join(article)).ok()
    }

    /// Keep a thumbnail. It is written beside its place and renamed, so that no reader sees half of it.
    pub fn put(&self, article: &str, bytes: &[u8]) -> io::Result<()> {
        let partial = self.folder.join(format!("{article}.partial"));
        fs::write(&partial, bytes)?;
        fs::rename(partial, self.folder.join(article))?;
        self.evict()
    }

    fn evict(&self) -> io::Result<()> {
        let mut entries: Vec<_> = fs::read_dir(&self.folder)?.filter_map(Result::ok).collect();
        entries.sort_by_key(|entry| entry.metadata().and_then(|m| m.modified()).ok());
        let mut total: u64 = entries.iter().filter_map(|e| e.metadata().ok()).map(|m| m.len()).sum();
        for entry in entries {
            if total <= self.limit {
                break;
            }
            total -= entry.metadata()?.len();
            fs::remove_file(entry.path())?;
        }
        Ok(())
    }
}
