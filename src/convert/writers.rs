//! The shards under construction of a lot or a bucket.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;

use super::run::Run;
use super::shard::{Shard, ShardWriter};
use crate::error::Result;

/// The shards under construction of a lot or a bucket, one for each part.
pub(super) struct Writers<'a> {
    run: &'a Run<'a>,
    folder: &'a Path,
    id: u64,
    open: Vec<Option<ShardWriter>>,
    finished: Vec<(usize, Shard)>,
    count: usize,
}

impl<'a> Writers<'a> {
    pub(super) fn new(run: &'a Run<'a>, folder: &'a Path, id: u64) -> Self {
        let open = (0..run.divider.parts()).map(|_| None).collect();
        Writers { run, folder, id, open, finished: Vec::new(), count: 0 }
    }

    fn path(&mut self) -> PathBuf {
        self.count += 1;
        self.folder.join(format!("lot-{:016x}-{:04}", self.id, self.count))
    }

    pub(super) fn push(&mut self, part: usize, batch: &RecordBatch) -> Result<()> {
        let mut writer = match self.open[part].take() {
            Some(writer) => writer,
            None => ShardWriter::create(self.run.layout.clone(), self.path())?,
        };
        writer.push(batch)?;
        if writer.is_full() {
            self.finished.extend(writer.finish()?.map(|shard| (part, shard)));
        } else {
            self.open[part] = Some(writer);
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<(usize, Shard)>> {
        for (part, writer) in self.open.into_iter().enumerate() {
            if let Some(writer) = writer {
                self.finished.extend(writer.finish()?.map(|shard| (part, shard)));
            }
        }
        Ok(self.finished)
    }
}
