//! The contract of solvemesh, generated from the `.proto` files beside this file:
//! the messages, and the descriptor set that reflection and the gRPC stubs are made
//! from. The documentation of a message is that of its `.proto`.

pub mod failure_reason;
pub mod frame;
mod seconds;
mod unknown_field;

pub use seconds::{MAX_SECONDS, seconds, seconds_or_zero};
pub use unknown_field::{UnknownField, unknown_field};

/// The public API, package `solvemesh.v1`.
pub mod v1 {
    #![allow(missing_docs, clippy::all, reason = "generated")]
    include!(concat!(env!("OUT_DIR"), "/solvemesh.v1.rs"));
}

/// What travels through the broker, package `solvemesh.broker.v1`.
pub mod broker {
    /// Version 1.
    pub mod v1 {
        #![allow(missing_docs, clippy::all, reason = "generated")]
        include!(concat!(env!("OUT_DIR"), "/solvemesh.broker.v1.rs"));

        impl LogEntry {
            /// The start of the attempt, if this entry has it: as its kind, or together with the
            /// end of the job.
            pub fn attempt_start(&self) -> Option<&AttemptStarted> {
                match self.kind.as_ref()? {
                    log_entry::Kind::Started(started) => Some(started),
                    log_entry::Kind::Finished(end) => end.started.as_ref(),
                    _ => None,
                }
            }
        }

        impl From<crate::v1::LinearModel> for JobPayload {
            /// A model to solve once, from nothing.
            fn from(model: crate::v1::LinearModel) -> Self {
                Self { model: Some(model), start: None, sweep: None }
            }
        }
    }
}

/// What a worker and its solver process say to each other, package
/// `solvemesh.solver.v1`.
pub mod solver {
    /// Version 1.
    pub mod v1 {
        #![allow(missing_docs, clippy::all, reason = "generated")]
        include!(concat!(env!("OUT_DIR"), "/solvemesh.solver.v1.rs"));
    }
}

/// What a gateway keeps in files of its own, package `solvemesh.gateway.v1`.
pub mod gateway {
    /// Version 1.
    pub mod v1 {
        #![allow(missing_docs, clippy::all, reason = "generated")]
        include!(concat!(env!("OUT_DIR"), "/solvemesh.gateway.v1.rs"));
    }
}

/// Encoded `google.protobuf.FileDescriptorSet` of all packages, imports and source
/// comments included.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// The fields of a message of `solvemesh.v1`: number and type by name.
    fn fields(message: &str) -> BTreeMap<String, (i32, String)> {
        let descriptors = FileDescriptorSet::decode(DESCRIPTORS).unwrap_or_default();
        let messages = descriptors.file.iter().filter(|file| file.package() == "solvemesh.v1");
        let found = messages.flat_map(|file| &file.message_type).find(|it| it.name() == message);
        let fields = found.map(|message| message.field.as_slice()).unwrap_or_default();
        fields
            .iter()
            .map(|field| {
                let of = format!("{:?} {:?} {}", field.label(), field.r#type(), field.type_name());
                // Each message has map entry types of its own.
                let of = of.replace(message, "");
                (field.name().to_owned(), (field.number(), of))
            })
            .collect()
    }

    #[test]
    fn solve_has_the_fields_of_submit_job_on_the_same_numbers() {
        let (submit, solve) = (fields("SubmitJobRequest"), fields("SolveRequest"));
        assert!(!solve.is_empty());
        for (name, field) in &solve {
            assert_eq!(submit.get(name), Some(field), "{name}");
        }
        let missing: Vec<&str> =
            submit.keys().filter(|name| !solve.contains_key(*name)).map(String::as_str).collect();
        assert_eq!(missing, ["sweep", "validate_only"]);
    }
}
