//! The processes of a sandbox, as `/proc` shows them.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

/// Holds what `/proc` tells of a process in one file.
const FILE_BYTES: usize = 4096;

/// Where to find the processes of the tree.
pub(super) enum TreeView {
    /// All processes in the `/proc` of the sandbox's pid namespace.
    Own(PathBuf),
    /// All descendants of the supervisor in the machine's `/proc`.
    Descendants { supervisor: Pid, skill: Pid },
}

/// A process that has not ended.
pub(super) struct Process {
    pid: i32,
    /// The folder of its first living thread: that of a thread that has ended shows
    /// neither memory nor open files.
    pub(super) folder: PathBuf,
    tasks: PathBuf,
    status: String,
    /// Counts all its threads.
    stat: String,
}

impl TreeView {
    pub(super) fn proc(&self) -> &Path {
        match self {
            TreeView::Own(proc) => proc,
            TreeView::Descendants { .. } => Path::new("/proc"),
        }
    }

    /// The processes of the tree, without its root.
    pub(super) fn pids(&self) -> Vec<i32> {
        match self {
            // Pid 1 is the sandbox's own.
            TreeView::Own(proc) => numbers(proc).into_iter().filter(|pid| *pid != 1).collect(),
            TreeView::Descendants { supervisor, .. } => descendants(supervisor.as_raw()),
        }
    }

    pub(super) fn processes(&self) -> Vec<Process> {
        let pids = self.pids().into_iter();
        pids.filter_map(|pid| Process::read(self.proc(), pid))
            .collect()
    }

    /// The CPU time in clock ticks of processes that the root of the tree has reaped.
    pub(super) fn reaped_ticks(&self) -> u64 {
        let root = match self {
            TreeView::Own(_) => 1,
            TreeView::Descendants { supervisor, .. } => supervisor.as_raw(),
        };
        let stat = read(&self.proc().join(root.to_string()), "stat");
        stat.map_or(0, |stat| numbers_of(&stat, 13, 2))
    }

    /// Whether the skill's main process, one of `processes`, is stopped.
    pub(super) fn is_stopped(&self, processes: &[Process]) -> bool {
        let main = match self {
            // The first child of pid 1 has the lowest pid.
            TreeView::Own(_) => processes.iter().min_by_key(|process| process.pid),
            TreeView::Descendants { skill, .. } => processes
                .iter()
                .find(|process| process.pid == skill.as_raw()),
        };
        main.is_some_and(|main| main.status.contains("\nState:\tT"))
    }
}

impl Process {
    /// A process that has ended meanwhile is none.
    fn read(proc: &Path, pid: i32) -> Option<Process> {
        let folder = proc.join(pid.to_string());
        let (status, stat) = (read(&folder, "status")?, read(&folder, "stat")?);
        let tasks = folder.join("task");
        let mut process = Process {
            pid,
            folder,
            tasks,
            status,
            stat,
        };
        if !has_memory(&process.status) && process.threads() > 1 {
            let mut living = numbers(&process.tasks).into_iter().filter_map(|task| {
                let folder = process.tasks.join(task.to_string());
                let status = read(&folder, "status")?;
                has_memory(&status).then_some((folder, status))
            });
            (process.folder, process.status) = living.next()?;
        }
        Some(process)
    }

    pub(super) fn threads(&self) -> u64 {
        field(&self.status, "Threads:").unwrap_or(1)
    }

    /// Its memory: resident or in swap, and its page tables.
    pub(super) fn memory_bytes(&self) -> u64 {
        let kilobytes: u64 = ["RssAnon:", "RssShmem:", "VmSwap:", "VmPTE:"]
            .into_iter()
            .filter_map(|name| field(&self.status, name))
            .sum();
        kilobytes.saturating_mul(1024)
    }

    /// User and system time in clock ticks, its own and that of children it has waited
    /// for.
    pub(super) fn cpu_ticks(&self) -> u64 {
        numbers_of(&self.stat, 11, 4)
    }

    /// How many processors its threads occupy at this moment, as far as it can be told:
    /// a thread that is ready to run counts by the share of such time in which it ran.
    pub(super) fn running(&self) -> f64 {
        if self.threads() <= 1 {
            return running(&self.folder, &self.stat);
        }
        let each = numbers(&self.tasks).into_iter().map(|task| {
            let folder = self.tasks.join(task.to_string());
            read(&folder, "stat").map_or(0.0, |stat| running(&folder, &stat))
        });
        each.sum()
    }

    /// The number of open files. Fails with `PermissionDenied` where it hides them.
    pub(super) fn open_files(&self) -> io::Result<u64> {
        let path = self.folder.join("fd");
        let counted = || {
            // The same right as for what the files are.
            fs::read_link(self.folder.join("exe"))?;
            match File::open(&path)?.metadata()?.len() {
                // Kernels before 6.2 do not tell the number.
                0 => Ok(u64::try_from(fs::read_dir(&path)?.count()).unwrap_or(u64::MAX)),
                number => Ok(number),
            }
        };
        let counted = counted();
        match counted {
            // A process that is just ending belongs to root.
            Err(_) if !read(&self.folder, "status").is_some_and(|status| has_memory(&status)) => {
                Ok(0)
            }
            counted => counted,
        }
    }
}

fn running(thread: &Path, stat: &str) -> f64 {
    if stat_fields(stat).next() != Some("R") {
        return 0.0;
    }
    // Nanoseconds in which it ran and in which it waited for a processor.
    let times = read(thread, "schedstat").unwrap_or_default();
    let mut times = times.split_ascii_whitespace().map(str::parse::<f64>);
    match (times.next(), times.next()) {
        (Some(Ok(ran)), Some(Ok(waited))) if ran + waited > 0.0 => ran / (ran + waited),
        _ => 1.0,
    }
}

fn has_memory(status: &str) -> bool {
    status.contains("\nRssAnon:")
}

/// The entries of `folder` that are numbers: processes or threads.
fn numbers(folder: &Path) -> Vec<i32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn descendants(root: i32) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for pid in numbers(Path::new("/proc")) {
        let folder = Path::new("/proc").join(pid.to_string());
        let stat = read(&folder, "stat");
        let parent = stat.and_then(|stat| stat_fields(&stat).nth(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut seen = HashSet::from([root]);
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            if seen.insert(child) {
                found.push(child);
                open.push(child);
            }
        }
    }
    found
}

fn read(folder: &Path, file: &str) -> Option<String> {
    // These files do not tell their size, for which `fs::read` reads in small portions.
    let mut bytes = Vec::with_capacity(FILE_BYTES);
    let opened = File::open(folder.join(file)).ok()?;
    opened.take(u64::MAX).read_to_end(&mut bytes).ok()?;
    // The name of a program need not be UTF-8.
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The fields after the name, which may contain spaces and parentheses.
fn stat_fields(stat: &str) -> impl Iterator<Item = &str> {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_ascii_whitespace()
}

/// The sum of `count` fields from `first` on.
fn numbers_of(stat: &str, first: usize, count: usize) -> u64 {
    stat_fields(stat)
        .skip(first)
        .take(count)
        .filter_map(|number| number.parse::<u64>().ok())
        .sum()
}

/// The number after `name`. The program's own name is on the first line with line
/// breaks escaped, so it cannot fake another line.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
