/// The series of HiGHS that this crate supports. Cargo.toml of the workspace pins a version of it, and
/// says why. `build.rs` includes this file.
pub(crate) const SERIES: &str = "1.15";
