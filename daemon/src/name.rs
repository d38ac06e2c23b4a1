//! The name of a process, for people.

/// The host name and the process id, as in "host-123": the name of a process that was given none.
pub fn process_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
    format!("{host}-{}", std::process::id())
}
