//! The machine: the memory that it has for this process.

use std::fs;
use std::path::Path;

/// Where control groups of the second and of the first version lie, and what their limits are called.
const GROUPS: [(&str, &str); 2] =
    [("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")];

/// Bytes that this process may use: the machine's memory, or its control group's limit if that is less.
pub(crate) fn usable_memory() -> usize {
    at_most_of("MemTotal:")
}

/// Bytes of them that nobody uses, or only to keep what was read of files.
pub(crate) fn free_memory() -> usize {
    at_most_of("MemAvailable:")
}

fn at_most_of(line: &str) -> usize {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| bytes_of(&text, line));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let read = |path: &Path| fs::read_to_string(path).ok();
    machine.unwrap_or(4 << 30).min(least_limit(&groups, read).unwrap_or(usize::MAX))
}

/// What a line of `/proc/meminfo` says.
fn bytes_of(text: &str, line: &str) -> Option<usize> {
    let found = text.lines().find_map(|found| found.strip_prefix(line))?;
    Some(found.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()? << 10)
}

/// The least limit of the groups that `/proc/self/cgroup` names, those that they are part of among them. In a container it
/// may name them as they are called outside, where only the uppermost is to be seen.
fn least_limit(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<usize> {
    let names = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let limits = names.flat_map(|name| {
        Path::new(name.trim_start_matches('/')).ancestors().flat_map(|group| {
            GROUPS.map(|(root, limit)| read(&Path::new(root).join(group).join(limit))?.trim().parse().ok())
        })
    });
    limits.flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_their_names() {
        let text =
            "MemTotal:       24689012 kB\nMemFree:  5 kB\nMemAvailable:   1024 kB\nHugePages_Total: 7\n";
        assert_eq!(bytes_of(text, "MemAvailable:"), Some(1 << 20));
        assert_eq!(bytes_of(text, "MemTotal:"), Some(24_689_012 << 10));
        assert_eq!((bytes_of(text, "HugePages_Total:"), bytes_of(text, "Swap:")), (None, None));
    }

    #[test]
    fn the_least_limit_of_a_group_and_those_above_it_counts() {
        let read = |path: &Path| match path.to_str()? {
            "/sys/fs/cgroup/a/b/memory.max" => Some("max\n".to_string()),
            "/sys/fs/cgroup/a/memory.max" => Some("3000\n".to_string()),
            "/sys/fs/cgroup/memory/x/memory.limit_in_bytes" => Some("2000\n".to_string()),
            "/sys/fs/cgroup/memory/memory.limit_in_bytes" => Some("9223372036854771712\n".to_string()),
            _ => None,
        };
        assert_eq!(least_limit("0::/a/b\n", read), Some(3000));
        assert_eq!(least_limit("4:cpu,cpuacct:/\n3:memory:/x\n", read), Some(2000));
        assert_eq!(least_limit("3:memory:/docker/unseen\n", read), Some(9_223_372_036_854_771_712));
        assert_eq!(least_limit("", read), None);
    }
}
