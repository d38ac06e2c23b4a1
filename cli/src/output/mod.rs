//! Output: results as text or JSON on standard output, progress and warnings on standard error.

pub(crate) mod event_text;
pub(crate) mod findings;
pub(crate) mod frames;
pub(crate) mod json;
pub(crate) mod mesh_json;
pub(crate) mod mesh_table;
pub(crate) mod names;
pub(crate) mod progress_line;
pub(crate) mod proofs;
pub(crate) mod queue;
pub(crate) mod report;
pub(crate) mod retry_messages;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod terminal;
pub(crate) mod text;
