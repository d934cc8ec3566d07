//! Stages: where the time of a run went, and what bounds it.

use serde::Serialize;

/// Where the time went: seconds of all threads together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Stages {
    /// Waiting for the disk, in effect: calls that read.
    pub read: StageTime,
    /// From bytes to Arrow's columns.
    pub decode: StageTime,
    /// From columns to features.
    pub encode: StageTime,
    /// Learning, or scoring and writing.
    pub learn: StageTime,
    /// Bytes read.
    #[serde(skip)]
    pub bytes_read: u64,
    /// Rows read to be learned from, or held out.
    #[serde(skip)]
    pub rows_read: u64,
}

/// One stage's time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct StageTime {
    /// Seconds at work.
    pub busy: f64,
    /// Seconds without work while the run went on.
    pub waiting: f64,
}

impl Stages {
    /// Adds the times of another stretch.
    pub fn add(&mut self, other: &Stages) {
        let pairs = [
            (&mut self.read, &other.read),
            (&mut self.decode, &other.decode),
            (&mut self.encode, &other.encode),
            (&mut self.learn, &other.learn),
        ];
        for (mine, theirs) in pairs {
            mine.busy += theirs.busy;
            mine.waiting += theirs.waiting;
        }
        self.bytes_read += other.bytes_read;
        self.rows_read += other.rows_read;
    }

    /// What bounds a run on so many threads.
    pub fn bound(&self, threads: usize) -> Bound {
        let Stages { read, decode, encode, learn, .. } = self;
        let reading = read.busy + decode.busy + encode.busy;
        let readers = reading + decode.waiting;
        let all = readers + learn.busy + learn.waiting;
        let share = |part: f64, of: f64| if of > 0.0 { part / of } else { 0.0 };
        let disk = share(read.busy, readers);
        let parts = [("the disk", read.busy), ("decoding", decode.busy), ("encoding", encode.busy)];
        let (stage, busiest) = parts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
        if threads <= 1 {
            // One after the other: the longest bounds it most.
            let is_learning = learn.busy > busiest;
            let busy = share(if is_learning { learn.busy } else { busiest }, all);
            return Bound { stage: (!is_learning).then_some(stage), busy, disk };
        }
        let (learner, readers) = (share(learn.busy, all / threads as f64).min(1.0), share(reading, readers));
        if learner >= readers {
            Bound { stage: None, busy: learner, disk }
        } else {
            Bound { stage: Some(stage), busy: readers, disk }
        }
    }
}

/// What bounds a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// What readers do most of the time, if they are what the run waits for; `None` if it is the last stage: learning,
    /// or scoring and writing.
    pub stage: Option<&'static str>,
    /// The share of the time that those who do it are busy.
    pub busy: f64,
    /// The share of the readers' time that calls took that read.
    pub disk: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(read: f64, decode: (f64, f64), encode: f64, learn: (f64, f64)) -> Stages {
        let time = |(busy, waiting)| StageTime { busy, waiting };
        Stages {
            read: time((read, 0.0)),
            decode: time(decode),
            encode: time((encode, 0.0)),
            learn: time(learn),
            bytes_read: 0,
            rows_read: 0,
        }
    }

    #[test]
    fn the_busiest_threads_bound_a_run() {
        // Two threads, ten seconds: the reader waits for half of the time.
        let bound = stages(0.5, (3.5, 5.0), 1.0, (9.5, 0.5)).bound(2);
        assert_eq!(bound, Bound { stage: None, busy: 0.95, disk: 0.05 });
        let bound = stages(1.0, (8.0, 0.0), 1.0, (4.0, 6.0)).bound(2);
        assert_eq!(bound, Bound { stage: Some("decoding"), busy: 1.0, disk: 0.1 });
        let bound = stages(8.0, (1.0, 0.0), 1.0, (4.0, 6.0)).bound(2);
        assert_eq!(bound, Bound { stage: Some("the disk"), busy: 1.0, disk: 0.8 });
        // One thread does all.
        let bound = stages(0.0, (4.0, 0.0), 1.0, (5.0, 0.0)).bound(1);
        assert_eq!(bound, Bound { stage: None, busy: 0.5, disk: 0.0 });
        assert_eq!(Stages::default().bound(4).busy, 0.0);
    }
}
