//! What the figures were taken on.

use std::fs;

/// The machine in one line: processors, memory, kernel, file system of temporary files, and how busy it was.
pub(crate) fn description() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field(&cpuinfo, "model name").unwrap_or_else(|| "an unnamed processor".to_owned());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    let directory = std::env::temp_dir();
    format!(
        "Machine: {processors} × {model}, {memory}, Linux {}, temporary files in {} ({}), load {load}",
        kernel.trim(),
        directory.display(),
        file_system(&directory).unwrap_or_else(|| "unknown file system".to_owned()),
    )
}

/// The type of the file system that holds `directory`, from the mount with the longest matching path.
fn file_system(directory: &std::path::Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let holding = fields.filter(|f| f.len() > 2 && directory.starts_with(f[1]));
    holding.max_by_key(|f| f[1].len()).map(|f| f[2].to_owned())
}
